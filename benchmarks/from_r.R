# What is measured inside R, through reticulate, as one line of JSON: the conversion of
# CONVERTED patches, and the R call around Python's own for a probe of N.
# usage, from the repository's root: Rscript benchmarks/from_r.R CONVERTED N RUNS EPOCHS
library(edaphosbridge)

sizes <- as.list(as.integer(commandArgs(trailingOnly = TRUE)))
names(sizes) <- c("converted", "n", "runs", "epochs")
set.seed(1)
random_patches <- function(n) array(rnorm(n * 31 * 16 * 16), c(n, 31, 16, 16))

encoder <- foundation_encoder("moco", in_channels = 31, seed = 1) # starts Python
rows <- reticulate::import_from_path("benchmarks.rows_r", path = getwd(), convert = FALSE)

converted <- rows$conversion(random_patches(sizes$converted), sizes$runs)

inside <- rows$TimeInside()
x <- random_patches(sizes$n)
y <- factor(sample(c("Inceptisol", "Oxisol", "Ultisol"), sizes$n, replace = TRUE))
walls <- vapply(seq_len(sizes$runs + 1), function(run) {
  gc()
  started <- Sys.time()
  foundation_fit_classifier(encoder, x, y, epochs = sizes$epochs, seed = 1)
  as.numeric(difftime(Sys.time(), started, units = "secs"))
}, 0)
cat(reticulate::py_to_r(inside$report(converted, as.list(walls))))
