# Fits that version 0.1.0 saved have the class of their task alone: what stands on the parent class,
# edaphosbridge_fit, is found by that class too.

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
