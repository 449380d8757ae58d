# What printing the summary of a fit shows: its lines.

#' @export
format.summary.edaphosbridge_fit <- function(x, ...) {
  c(
    sprintf("%s: %s", learner_of(x), x$regime),
    sprintf("  encoder:   %s, %s", x$architecture, widths_line(x)),
    if (is.null(x$pixel_counts)) paste0("  head:      ", head_line(x)) else paste0("  decoder:   ", x$head_type),
    sprintf(
      "  patches:   %s of %d x %d x %d (C x H x W)",
      x$n, x$in_channels, x$patch_size[[1]], x$patch_size[[2]]
    ),
    learnt_lines(x),
    training_line(x),
    if (!is.null(x$config$temperature)) sprintf("  calibrated: at temperature %.4g", x$config$temperature),
    loss_line(x),
    score_line(x),
    overlap_line(x)
  )
}

#' @export
format.summary.edaphosbridge_pretrain <- function(x, ...) {
  what <- c(moco = "MoCo v2", simclr = "SimCLR", rotation = "quarter turns", swav = "SwAV")[[x$method]]
  normalised <- if (is.null(x$normalisation)) "as given" else paste(
    if (x$normalisation$normalise) "normalised" else "raw", "tiles of",
    paste(x$normalisation$bands, collapse = ", ")
  )
  c(
    sprintf("Pretraining without labels: %s", what),
    paste0(
      "  encoder:   ", if (!is.null(x$config$encoder)) paste0(x$architecture, ", "), widths_line(x)
    ),
    sprintf(
      "  patches:   %d x %d x %d (C x H x W), %s",
      x$in_channels, x$patch_size[[1]], x$patch_size[[2]], normalised
    ),
    training_line(x),
    loss_line(x),
    if (!is.null(x$final_val_accuracy)) {
      sprintf("  val_acc:   %.3f at the end, where chance is %g", x$final_val_accuracy, chance_of_turns)
    },
    if (!is.null(x$history$entropy)) sprintf(
      "  in use:    %.3g of %d prototypes at the end",
      exp(x$history$entropy[[nrow(x$history)]]), x$config$n_prototypes
    ),
    probe_line(x)
  )
}

# Of each sensor: "4 channels", or "4 + 2 channels".
channels_text <- function(x) {
  if (length(x$channels) < 2L) {
    return(counted(x$in_channels, "channel"))
  }
  paste(paste(x$channels, collapse = " + "), "channels")
}

#' @export
format.summary.edaphosbridge_probe_sweep <- function(x, ...) {
  fit <- x$classifier
  spread <- if (is.na(x$val_accuracy_sd)) "" else sprintf(", sd %.3f", x$val_accuracy_sd)
  shown <- utils::head(x$settings, 5L)
  shown <- shown[vapply(shown, function(column) !all(is.na(column)), NA)]
  shown[] <- lapply(names(shown), function(name) {
    form <- if (is.character(shown[[name]])) "%s" else if (startsWith(name, "val_")) "%.3f" else "%.6g"
    ifelse(is.na(shown[[name]]), "", sprintf(form, shown[[name]]))
  })
  rows <- sub(" +$", "", utils::capture.output(print(shown, row.names = FALSE)))
  more <- nrow(x$settings) - nrow(shown)
  c(
    sprintf(
      "Sweep of linear probes: %s with %s", counted(nrow(x$settings), "setting"),
      counted(x$n_seeds, "seed")
    ),
    sprintf("  encoder:   %s, %s", fit$architecture, widths_line(fit)),
    sprintf("  best:      %s", setting_text(x$best)),
    sprintf(
      "  val_acc:   %.3f (mean over %s%s)", x$val_accuracy, counted(x$n_seeds, "seed"), spread
    ),
    if (x$n_diverged > 0L) sprintf("  diverged:  %s", counted(x$n_diverged, "setting")),
    paste0("   ", rows),
    if (more > 0L) sprintf("    ... and %d more", more),
    sprintf(
      "  final fit: of the best, on all %s patches of %s", fit$n,
      counted(length(fit$class_counts), "class", "classes")
    )
  )
}

# "Classifier of 3 classes"
learner_of <- function(x) {
  if (!is.null(x$targets)) {
    return(sprintf("Regressor of %s", counted(nrow(x$targets), "target")))
  }
  if (!is.null(x$label_counts)) {
    return(sprintf("Multi-label classifier of %s", counted(length(x$label_counts), "label")))
  }
  if (!is.null(x$pixel_counts)) {
    return(sprintf("Segmenter of %s", counted(length(x$pixel_counts), "class", "classes")))
  }
  sprintf("Classifier of %s", counted(length(x$class_counts), "class", "classes"))
}

# The patches or cells of each class or label, or the targets.
learnt_lines <- function(x) {
  if (is.null(x$targets)) {
    return(count_lines(c(x$class_counts, x$label_counts, x$pixel_counts)))
  }
  spread <- sprintf("mean %.4g, sd %.4g", x$targets$mean, x$targets$sd)
  count_lines(structure(spread, names = x$targets$target))
}

# "1 epoch", "2 epochs"
counted <- function(n, what, several = paste0(what, "s")) {
  sprintf("%.0f %s", n, if (n == 1) what else several)
}

head_line <- function(x) {
  if (x$head_type %in% c("linear", "custom")) {
    return(x$head_type)
  }
  joined <- function(values) paste(format(values, trim = TRUE), collapse = ", ")
  sprintf("%s, hidden %s, dropout %s", x$head_type, joined(x$config$hidden), joined(x$config$dropout))
}

# The best score and its epoch, and that of the weights kept.
score_line <- function(x) {
  course <- x$history[[score_of(x)]]
  form <- words_of(x)$form
  last <- sprintf(form, course[[length(course)]])
  text <- if (is.na(x$best_epoch)) "NA" else {
    best <- sprintf(form, course[[x$best_epoch]])
    kept <- if (is.null(x$config$patience)) paste("at the end", last) else "kept"
    sprintf("%s (epoch %d), %s", best, x$best_epoch, kept)
  }
  sprintf("  %-10s %s", paste0(short_score_of(x), ":"), text)
}

# The best score of a pretraining's probe, and that of the encoder kept; NULL without a probe.
probe_line <- function(x) {
  scores <- x$history$probe
  if (is.null(scores)) {
    return(NULL)
  }
  best <- which.max(scores)
  last <- scores[!is.na(scores)]
  kept <- sprintf("at the end %.3f", last[[length(last)]])
  if (!is.null(x$config$probe$patience)) kept <- "kept"
  sprintf("  probe:     %s %.3f (epoch %d), %s", probe_name(x), scores[[best]], best, kept)
}

# NULL where no patches are known to share cells, or none were held out.
overlap_line <- function(x) {
  is_random <- is.null(x$config$split)
  if (is.null(x$overlapping) || x$overlapping == 0L || is.na(x$best_epoch) || !is_random) {
    return(NULL)
  }
  total <- if (is.na(x$n)) "" else sprintf(" of %d", x$n)
  sprintf(
    "  overlap:   %d%s patches share cells, so %s says little", x$overlapping, total,
    short_score_of(x)
  )
}

# "val_acc"
short_score_of <- function(x) sub("accuracy", "acc", score_of(x))

# "adam, lr = 0.1, weight_decay = 0"
setting_text <- function(best) {
  numbers <- best[names(best) != "solver"]
  paste(c(best$solver, sprintf("%s = %.6g", names(numbers), unlist(numbers))), collapse = ", ")
}

# At most ten classes, labels or targets.
count_lines <- function(counts) {
  shown <- utils::head(counts, 10L)
  lines <- sub(" +$", "", sprintf("    %s  %s", format(names(shown)), format(shown, scientific = FALSE)))
  more <- length(counts) - length(shown)
  c(lines, if (more > 0L) sprintf("    ... and %d more", more))
}

training_line <- function(x) {
  if (identical(x$config$solver, "lbfgs")) {
    return(sprintf(
      "  training:  L-BFGS at C %g, %s, on %s", x$config$C, counted(nrow(x$history), "evaluation"),
      x$device
    ))
  }
  epochs <- counted(nrow(x$history), "epoch")
  if (!is.null(x$config$recipe)) {
    return(sprintf(
      "  training:  %s in %s, batches of %d, seed %.0f, on %s",
      epochs, counted(length(x$config$phases), "phase"), x$config$batch_size, x$config$seed, x$device
    ))
  }
  sprintf(
    "  training:  %s, batches of %d, lr %g, seed %.0f, on %s",
    epochs, x$config$batch_size, x$config$lr, x$config$seed, x$device
  )
}

loss_line <- function(x) {
  sprintf("  loss:      %.4f at first, %.4f at the end", x$history$loss[[1]], x$final_loss)
}

#' @export
print.summary.edaphosbridge_fit <- function(x, ...) {
  cat(format(x, ...), sep = "\n")
  invisible(x)
}
