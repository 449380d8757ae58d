# Runs the testthat suite against the installed package; a skipped test fails it too.
library(edaphosbridge)
results <- as.data.frame(testthat::test_dir(
  "r-wrapper/tests/testthat",
  package = "edaphosbridge", load_package = "installed", stop_on_failure = FALSE
))
failed <- sum(results$failed) + sum(results$error)
skipped <- sum(results$skipped)
cat(sprintf("\n%d passed, %d failed, %d skipped\n", sum(results$passed), failed, skipped))
if (failed + skipped > 0) {
  quit(status = 1)
}
