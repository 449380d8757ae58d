# Runs the vignettes and stores their output, which is shown where there is no Python.
# Run in r-wrapper/ with edaphosbridge installed: Rscript tools/precompute-vignettes.R

setwd("vignettes")
unlink("precomputed/figure", recursive = TRUE)
for (original in list.files("precomputed", "[.]Rmd[.]orig$", full.names = TRUE)) {
  name <- sub("[.]Rmd[.]orig$", "", basename(original))
  knitr::opts_chunk$set(fig.path = "precomputed/figure/", error = FALSE)
  text <- knitr::knit(text = readLines(original), envir = new.env(), quiet = TRUE)
  writeLines(sub("\\s+$", "", strsplit(text, "\n")[[1]]), file.path("precomputed", paste0(name, ".md")))
}
