# Objects that version 0.1.0 saved. Fits have the class of their task alone: what stands on the parent
# class, edaphosbridge_fit, is found by that class too. And none has the lines that it prints.

#' @evalNamespace methods_of_saved_fits()
NULL

methods_of_saved_fits <- function() {
  all <- c(
    "format", "print", "$", "$<-", "[[<-", "[<-", "generics::tidy", # of pretraining too
    "summary", "plot", "update", "generics::glance", "ggplot2::autoplot"
  )
  found_by <- function(class, generics) {
    method <- paste0(sub(".*::", "", generics), ".", sub("edaphosbridge.*", "edaphosbridge_fit", class))
    names <- ifelse(grepl("::", generics), generics, paste0("\"", generics, "\""))
    sprintf("S3method(%s,%s,\"%s\")", names, class, method)
  }
  c(
    found_by("edaphosbridge_classifier", all),
    found_by("edaphosbridge_pretrain", all[1:7]),
    found_by("edaphosbridge_probe_sweep", all[1:2]),
    found_by("summary.edaphosbridge_classifier", all[1:2]),
    found_by("summary.edaphosbridge_pretrain", all[2]),
    found_by("summary.edaphosbridge_probe_sweep", all[2])
  )
}

# What Python says of objects that were saved before they kept its lines.
lines_of_saved <- function(x) {
  switch(leaf_class_of(x),
    edaphosbridge_classifier = lines_of_classifier(x),
    edaphosbridge_pretrain = lines_of_pretrain(x),
    edaphosbridge_probe_sweep = lines_of_sweep(x),
    edaphosbridge_tiles = lines_of_tiles(x),
    sprintf("<%s>", utils::tail(class(x), 1L)) # version 0.1.0 had no others
  )
}

lines_of_classifier <- function(x) {
  accuracy <- x$val_accuracy_history
  last <- length(accuracy)
  best <- which.max(accuracy)
  c("<edaphos_foundation_classifier>", labelled_lines(
    classes = paste(x$classes, collapse = ", "),
    feature_dim = x$feature_dim,
    head = x$head_type,
    regime = regime_of(x),
    device = x$device,
    "final loss" = sprintf("%.4f", x$loss_history[[length(x$loss_history)]]),
    "best val_acc" = if (length(best) == 0L) "NA" else {
      sprintf("%.3f (epoch %d), at the end %.3f", accuracy[[best]], best, accuracy[[last]])
    }
  ))
}

lines_of_pretrain <- function(x) {
  config <- x$config
  is_moco <- x$method == "moco"
  c(
    if (is_moco) "<edaphos_foundation_moco>  (MoCo v2)" else "<edaphos_foundation_simclr>",
    sprintf(
      "  in_channels = %d  feature_dim = %d  proj_dim = %d", x$in_channels, x$feature_dim, x$proj_dim
    ),
    if (is_moco) {
      sprintf(
        "  queue_size = %d  momentum = %.4f  tau = %.3g  batch = %d",
        config$queue_size, config$momentum, config$temperature, config$batch_size
      )
    } else {
      sprintf("  batch = %d  temperature = %.3g", config$batch_size, config$temperature)
    },
    sprintf("  epochs = %d  final %s = %.4g", length(x$loss_history), loss_name(x), x$final_loss)
  )
}

lines_of_sweep <- function(x) {
  n_seeds <- length(unique(x$results$seed))
  c("<edaphos_probe_sweep>", labelled_lines(
    settings = sprintf("%d, each with %s", nrow(x$settings), counted(n_seeds, "seed")),
    best = setting_text(x$best),
    val_acc = sprintf("%.3f", max(x$settings$val_accuracy, na.rm = TRUE)),
    classes = paste(x$classifier$classes, collapse = ", ")
  ))
}

lines_of_tiles <- function(x) {
  c(
    "<edaphos_tile_dataset>",
    sprintf("  stack       : %d x %d x %d (rows x cols x channels)", x$height, x$width, x$n_channels),
    sprintf("  patch_size  : %d x %d", x$patch_size, x$patch_size),
    sprintf("  n_patches   : %d", x$n_patches),
    paste0("  channels    : ", paste(x$bands, collapse = ", "))
  )
}

# A line for each value, under its name.
labelled_lines <- function(...) {
  values <- c(...)
  sprintf("  %-15s%s", paste0(names(values), ":"), values)
}
