test_that("an encoder is a plain list with its architecture, its widths and its state", {
  skip_if_no_python()
  encoder <- foundation_encoder("moco", in_channels = 4, seed = 1)
  expect_identical(class(encoder), "edaphosbridge_encoder")
  expect_named(
    encoder,
    c(
      "architecture", "in_channels", "feature_dim", "proj_dim", "normalisation",
      "patch_orientation", "state", "n_channels"
    )
  )
  expect_null(encoder$normalisation)
  expect_identical(encoder$architecture, "moco")
  expect_identical(encoder$in_channels, 4L)
  expect_identical(encoder$n_channels, 4L) # edaphos' name
  expect_identical(encoder$feature_dim, 64L)
  expect_identical(encoder$proj_dim, 32L)
  expect_type(encoder$state, "raw")
})

test_that("the widths are those of edaphos, or the ones asked for", {
  skip_if_no_python()
  simclr <- foundation_encoder("simclr", in_channels = 3, seed = 1)
  expect_identical(c(simclr$feature_dim, simclr$proj_dim), c(32L, 16L))
  wide <- foundation_encoder("simclr", 3, feature_dim = 12, proj_dim = 5L, seed = 1)
  expect_identical(c(wide$feature_dim, wide$proj_dim), c(12L, 5L))
})

test_that("a rotation encoder has the size of its patches instead of a projection", {
  skip_if_no_python()
  encoder <- foundation_encoder("rotation", 3, patch_size = 9, seed = 1)
  expect_named(encoder, c(
    "architecture", "in_channels", "feature_dim", "patch_size", "normalisation",
    "patch_orientation", "state", "n_channels"
  ))
  expect_identical(encoder[c("feature_dim", "patch_size")], list(
    feature_dim = 256L, patch_size = 9L
  ))
  expect_identical(format(encoder), "<edaphosbridge_encoder> rotation: 3 channels -> 256 features")
  expect_error(encoder$patch_size <- 5L, "part of `state`", class = "edaphosbridge_input_error")
})

test_that("an XResNet has a width and a stem, and no projection", {
  skip_if_no_python()
  encoder <- foundation_encoder("xresnet18", 4, seed = 1, width = 2, stem = "small")
  expect_named(
    encoder,
    c(
      "architecture", "in_channels", "width", "stem", "feature_dim", "normalisation",
      "patch_orientation", "state", "n_channels"
    )
  )
  expect_identical(
    unclass(encoder)[c("architecture", "in_channels", "width", "stem", "feature_dim")],
    list(
      architecture = "xresnet18", in_channels = 4L, width = 2L, stem = "small", feature_dim = 16L
    )
  )
  expect_null(encoder$proj_dim)
  wide <- foundation_encoder("xresnet50", 3, seed = 1, width = 2)
  expect_identical(c(wide$stem, wide$feature_dim), c("standard", "64"))
  path <- withr::local_tempfile()
  expect_identical(foundation_weights_load(foundation_weights_save(encoder, path)), encoder)
  expect_error(encoder$stem <- "standard", class = "edaphosbridge_input_error")
  fit <- quick_fit(encoder, freeze_backbone = FALSE)
  expect_identical(fit$encoder$architecture, "xresnet18")
  expect_output(print(summary(fit)), "encoder:   xresnet18, 4 channels -> 16 features")
})

test_that("the first architecture is the default and abbreviations work", {
  skip_if_no_python()
  expect_identical(
    foundation_encoder(in_channels = 2, seed = 3),
    foundation_encoder("mo", in_channels = 2, seed = 3)
  )
})

test_that("the same seed gives the same weights, another seed others", {
  skip_if_no_python()
  one <- foundation_encoder("simclr", 4, seed = 1)
  expect_identical(foundation_encoder("simclr", 4, seed = 1L), one)
  expect_false(identical(foundation_encoder("simclr", 4, seed = 2), one))
})

test_that("without a seed set.seed() reproduces, with one R's generator is left alone", {
  skip_if_no_python()
  withr::local_seed(1)
  one <- foundation_encoder("simclr", 4)
  other <- foundation_encoder("simclr", 4)
  set.seed(1)
  expect_identical(foundation_encoder("simclr", 4), one)
  expect_false(identical(other, one))
  before <- random_state()
  foundation_encoder("simclr", 4, seed = 9)
  expect_identical(random_state(), before)
})

test_that("arguments that make no encoder are refused in foundation_encoder()'s own name", {
  skip_if_no_python()
  refused <- function(code, argument, says) {
    expect_refused(code, argument, says, of = "foundation_encoder")
  }
  refused(foundation_encoder("resnet", 4), "architecture", c("'moco', 'simclr'", "found 'resnet'"))
  refused(foundation_encoder(NULL, 4), "architecture", "found NULL")
  refused(foundation_encoder("moco"), "in_channels", "is missing")
  refused(foundation_encoder("moco", 0), "in_channels", "found 0")
  refused(foundation_encoder("moco", 2.7), "in_channels", "found 2.7")
  refused(foundation_encoder("moco", NA), "in_channels", "found NA")
  refused(foundation_encoder("moco", c(3, 4)), "in_channels", "found c(3, 4)")
  refused(foundation_encoder("moco", 4, feature_dim = -1), "feature_dim", "found -1")
  refused(foundation_encoder("moco", 4, proj_dim = "32"), "proj_dim", "found '32'")
  refused(foundation_encoder("moco", 4, feature_dim = mean), "feature_dim", "found '<function>'")
  refused(foundation_encoder("moco", 4, seed = 1.5), "seed", "found 1.5")
  refused(foundation_encoder("moco", 4, patch_size = 9), "patch_size", "no setting of 'moco'")
  refused(foundation_encoder("rotation", 4), "patch_size", "found NULL")
  refused(foundation_encoder("rotation", 4, patch_size = 3), "patch_size", "at least 4")
  refused(foundation_encoder("rotation", 4, 6, 4, patch_size = 9), "proj_dim", "no setting of")
  refused(foundation_encoder("moco", 4, width = 8), "width", "is no setting of 'moco'")
  refused(foundation_encoder("xresnet18", 4, proj_dim = 8), "proj_dim", "has width and stem")
  refused(foundation_encoder("xresnet18", 4, stem = "tiny"), "stem", "found 'tiny'")
  refused(foundation_encoder("xresnet", 4), "architecture", "found 'xresnet'")
})

test_that("an encoder that no memory holds is refused before it is made", {
  skip_if_no_python()
  expect_refused(
    foundation_encoder("moco", 2^31 - 1), "in_channels", c("GB of memory", "this machine has"),
    of = "foundation_encoder"
  )
  expect_refused(
    foundation_encoder("moco", 4, feature_dim = 2^63), "feature_dim", "up to 2147483647",
    of = "foundation_encoder"
  )
  expect_refused(
    foundation_encoder("moco", 4, seed = 2^63), "seed", "between -2^53 and 2^53",
    of = "foundation_encoder"
  )
})

test_that("print() shows one line and returns the encoder invisibly", {
  encoder <- structure(
    list(architecture = "moco", in_channels = 4L, feature_dim = 64L, proj_dim = 32L, state = raw()),
    class = "edaphosbridge_encoder"
  )
  expect_snapshot(print(encoder), cran = TRUE)
  xresnet <- structure(
    list(
      architecture = "xresnet34", in_channels = 4L, width = 64L, stem = "small",
      feature_dim = 512L, patch_orientation = "transposed"
    ),
    class = "edaphosbridge_encoder"
  )
  expect_snapshot(print(xresnet), cran = TRUE)
  utils::capture.output(shown <- withVisible(print(encoder)))
  expect_identical(shown, list(value = encoder, visible = FALSE))
})
