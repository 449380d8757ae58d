for (case in golden_cases()) {
  test_that(paste("R gives what the file says:", case$name), {
    skip_if_no_python()
    for (regime in c("probe", "finetune")) {
      fit <- golden_fit(case, regime == "probe")
      expect_identical(fit$classes, unlist(case$levels))
      losses <- unlist(case[[regime]]$loss_history)
      # see test_golden.py of the Python tests for why fine-tuning has fewer digits
      expect_close(fit$loss_history, losses, if (regime == "probe") 1e-4 else 1e-3, size = 0)
      rows <- length(case[[regime]]$prob)
      x <- golden_patches(case$shape)[seq_len(rows), , , , drop = FALSE]
      prob <- predict(fit, x, type = "prob")
      expect_identical(colnames(prob), fit$classes)
      expected <- do.call(rbind, lapply(case[[regime]]$prob, unlist))
      if (regime == "probe") {
        expect_close(unname(prob), expected, 1e-3, size = 0)
      } else {
        expect_close(unname(prob), expected, 1e-2)
      }
      expect_identical(as.character(predict(fit, x)), fit$classes[max.col(prob, "first")])
      expect_identical(levels(predict(fit, x)), fit$classes)
    }
  })
}
