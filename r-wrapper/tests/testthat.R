library(testthat)
library(edaphosbridge)

test_check("edaphosbridge")
