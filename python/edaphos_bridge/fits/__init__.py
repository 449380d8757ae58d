"""What a fit is: trained modules that predict, print themselves and live in files."""
