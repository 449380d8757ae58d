# What is measured inside R, through reticulate. Prints one line of JSON.
# usage: Rscript benchmarks/from_r.R conversion N RUNS
#        Rscript benchmarks/from_r.R call N RUNS EPOCHS      (from the repository's root)
library(edaphosbridge)

arguments <- commandArgs(trailingOnly = TRUE)
n <- as.integer(arguments[[2]])
runs <- as.integer(arguments[[3]])
encoder <- foundation_encoder("moco", in_channels = 31, seed = 1) # starts Python
set.seed(1)
x <- array(rnorm(n * 31 * 16 * 16), c(n, 31, 16, 16))

if (arguments[[1]] == "conversion") {
  conversion <- reticulate::import_from_path("benchmarks.conversion", path = getwd())
  cat(conversion$measured(x, runs), "\n")
} else {
  r_call <- reticulate::import_from_path("benchmarks.r_call", path = getwd())
  inside <- r_call$TimeInside()
  y <- factor(sample(c("Inceptisol", "Oxisol", "Ultisol"), n, replace = TRUE))
  epochs <- as.integer(arguments[[4]])
  walls <- vapply(seq_len(runs + 1), function(run) {
    gc()
    started <- Sys.time()
    foundation_fit_classifier(encoder, x, y, epochs = epochs, seed = 1)
    as.numeric(difftime(Sys.time(), started, units = "secs"))
  }, 0)
  cat(inside$report(walls), "\n")
}
