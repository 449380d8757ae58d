#' Fit the same model several times, from different seeds
#'
#' A deep ensemble (Lakshminarayanan et al. 2017): each member is a fit of its own, with its own split,
#' initial head and order of rows. What they differ in shows what a single one owes to chance.
#'
#' @param encoder,x,y As in the function of the task.
#' @param task `"classification"`, `"regression"`, `"multilabel"` or `"segmentation"`: what fits the
#'   members, [foundation_fit_classifier()], [foundation_fit_regressor()], [foundation_fit_multilabel()]
#'   or [foundation_fit_segmenter()], whose masks are `y`.
#' @param K_ens Number of members, at least two.
#' @param base_seed Seed of the first member; that of the next is one more, and so on.
#' @param ... Further arguments of that function, `seed` excepted; of a `checkpoint_dir` each member
#'   has a folder of its own. For `predict()` not used.
#'
#' @return A list of class `c("edaphosbridge_ensemble", "edaphos_foundation_ensemble")` with
#'   \item{members}{list of `K_ens` fits}
#'   \item{encoder}{the frozen encoder; `NULL` where each member has tuned its own}
#'   \item{task, K_ens}{as given}
#'   \item{final_losses}{numeric, the last training loss of each member}
#'   \item{loss_histories}{list, the losses of each member}
#'   \item{config}{list of `base_seed` and `task`}
#' @references
#' Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017). Simple and scalable predictive
#' uncertainty estimation using deep ensembles. NeurIPS 30.
#' @seealso [foundation_mcdropout_predict()]
#' @examplesIf edaphosbridge::edaphosbridge_available()
#' x <- array(rnorm(60 * 4 * 9 * 9), c(60, 4, 9, 9))
#' clay <- 30 + 20 * rowMeans(x[, 1, , ])
#' encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
#' ensemble <- foundation_finetune_ensemble(encoder, x, clay, "regression", K_ens = 3, epochs = 2)
#' ensemble
#' dim(predict(ensemble, x[1:5, , , ]))
#' predict(ensemble, x[1:5, , , ], type = "sd")
#' plot(ensemble)
#' @export
foundation_finetune_ensemble <- function(encoder, x, y,
                                         task = c(
                                           "classification", "regression", "multilabel",
                                           "segmentation"
                                         ),
                                         K_ens = 5L,
                                         base_seed = 301L,
                                         ...) {
  call <- sys.call()
  task <- to_choice(task, eval(formals()$task))
  answer <- python_call("member_seeds", list(task, to_scalar(K_ens), to_scalar(base_seed)))
  seeds <- unlist(answer_value(answer, call))
  made_by <- c(
    classification = "foundation_fit_classifier", regression = "foundation_fit_regressor",
    multilabel = "foundation_fit_multilabel", segmentation = "foundation_fit_segmenter"
  )[[task]]
  if ("seed" %in% ...names()) {
    stop_input("seed", paste(
      "is no argument of foundation_finetune_ensemble().",
      "Members have the seeds `base_seed`, `base_seed + 1` and so on."
    ), call)
  }
  takes <- formals(get(made_by))
  what_it_learns <- names(takes)[[3]]
  stop_if_unused(
    "foundation_finetune_ensemble", ...,
    takes = takes[setdiff(names(takes), c("encoder", "x", what_it_learns, "seed"))]
  )
  data <- list(encoder = quote(encoder), x = quote(x))
  data[[what_it_learns]] <- quote(y)
  frame <- environment()
  members <- with_call_of(call, lapply(seeds, function(seed) {
    settings <- list(...)
    folder <- settings$checkpoint_dir
    # of what is no folder the fit says so
    is_folder <- is.character(folder) && length(folder) == 1L && !is.na(folder) && nzchar(folder)
    if (is_folder) settings$checkpoint_dir <- file.path(folder, sprintf("member-%.0f", seed))
    eval(fit_again(made_by, data, list(seed = from_seed(seed)), settings), frame)
  }))
  from_ensemble(list(members = members, task = task, printed = described_ensemble(members, call)))
}

# Errors of `code` are those of the call that the user made, in whose `y` a segmenter's masks are.
with_call_of <- function(call, code) {
  tryCatch(code, edaphosbridge_error = function(condition) {
    condition$call <- call
    if (identical(condition$argument, "masks")) {
      condition$argument <- "y"
      condition$message <- sub("^`masks`", "`y`", condition$message)
    }
    stop(condition)
  })
}

described_ensemble <- function(members, call) {
  answer <- python_call("describe_ensemble", list(
    states_of(members), to_modules(members[[1]], NULL, NULL, call)
  ))
  answer_value(answer, call)
}

states_of <- function(members) lapply(members, function(member) member$state)

#' @rdname foundation_finetune_ensemble
#' @param object A result of `foundation_finetune_ensemble()`.
#' @param type `"members"`, what each member predicts; or `"mean"` or `"sd"`, the mean or the standard
#'   deviation over members. Of a raster without `coords` `"mean"` and `"sd"`, and of classifiers the
#'   others too, of that mean; one or several, `"class"` alone, by default mean and standard deviation.
#' @param device,coords,head,newdata,dataset As in [predict.edaphosbridge_classifier()].
#' @inheritParams predict.edaphosbridge_classifier
#' @section Predictions:
#' `predict()` gives for `"members"` a matrix `(K, N)` of a regression of one target without a name, else
#' an array `(K, N, n)`: the probabilities of classes or labels, or the targets in their units. For
#' `"mean"` and `"sd"` it gives a vector of length N or a matrix `(N, n)`. Of segmenters these are arrays
#' `(K, N, n, H, W)` and `(N, n, H, W)`. Of a raster without `coords`
#' it gives a map, see [predict.edaphosbridge_classifier()], with layers such as `Oxisol_mean` and
#' `Oxisol_sd`, or `mean` and `sd`.
#' @export
predict.edaphosbridge_ensemble <- function(object, x,
                                           type = c(
                                             "members", "mean", "sd", "class", "prob", "entropy",
                                             "margin", "least_confidence"
                                           ),
                                           device = NULL, ..., coords = NULL, encoder = NULL, newdata,
                                           dataset = NULL, head = NULL,
                                           filename = "", overwrite = FALSE, wopt = list(),
                                           stride = 1L, block_size = NULL, method = c("exact", "dense"),
                                           colours = NULL, client = NULL, resume = TRUE,
                                           verbose = FALSE) {
  call <- sys.call()
  stop_if_unused("predict", ...)
  first <- object$members[[1]]
  prediction <- predict_in_python(
    list(state = states_of(object$members)), x, newdata, type, c("members", "mean", "sd"), device,
    coords, encoder, head, dataset, call,
    name = "predict_ensemble", of = first
  )
  if (!is.null(prediction$map)) {
    return(prediction$map)
  }
  values <- from_array(prediction$values)
  names <- columns_of(first)
  types <- c("members", "mean", "sd")
  of_members <- length(type) > 1L || identical(to_choice(type, types), "members")
  if (!is.null(names)) {
    from_named(values, names, if (of_members) 3L else 2L)
  } else if (of_members) {
    values
  } else {
    as.vector(values)
  }
}

# The names of what a fit predicts of a patch; NULL where that is one number.
columns_of <- function(fit) {
  switch(sub("^edaphosbridge_", "", leaf_class_of(fit)),
    regressor = fit$targets,
    multilabel = fit$labels,
    fit$classes
  )
}

#' @rdname foundation_finetune_ensemble
#' @section Plot:
#' `plot()` draws the loss of each member; `...` are as in [graphics::plot.default()].
#' @export
plot.edaphosbridge_ensemble <- function(x, ...) {
  stop_if_unused("plot", ..., also = graphical_parameters())
  first <- x$members[[1]]
  epochs <- seq_len(max(lengths(x$loss_histories)))
  settings <- utils::modifyList(
    list(xlab = epoch_name(first), ylab = course_labels(first)[["loss"]], ylim = range(x$loss_histories)),
    list(...)
  )
  settings$type <- NULL # lines, or points of one epoch
  do.call(draw_course, c(list(epochs, rep(NA_real_, length(epochs)), "n"), settings))
  shown <- settings[intersect(names(settings), c("col", "lty", "lwd", "pch", "cex"))]
  for (losses in x$loss_histories) {
    type <- if (length(losses) > 1L) "l" else "p"
    do.call(graphics::lines, c(list(seq_along(losses), losses, type = type), shown))
  }
  invisible(x)
}

#' @rdname tidiers.edaphosbridge
#' @method tidy edaphosbridge_ensemble
#' @exportS3Method generics::tidy edaphosbridge_ensemble
tidy.edaphosbridge_ensemble <- function(x, ...) {
  stop_if_unused("tidy", ...)
  each <- lapply(seq_along(x$members), function(k) cbind(member = k, history_of(x$members[[k]])))
  do.call(rbind, each)
}

#' @rdname tidiers.edaphosbridge
#' @method glance edaphosbridge_ensemble
#' @exportS3Method generics::glance edaphosbridge_ensemble
glance.edaphosbridge_ensemble <- function(x, ...) {
  stop_if_unused("glance", ...)
  data.frame(
    nobs = learnt_in(x$members[[1]])$n, task = x$task, K_ens = x$K_ens,
    base_seed = x$config$base_seed, mean_final_loss = mean(x$final_losses),
    sd_final_loss = stats::sd(x$final_losses)
  )
}
