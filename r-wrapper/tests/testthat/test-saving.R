# What is saved in one process opens in another, whatever it is.

test_that("objects of every class survive saveRDS() and save.image(), in fresh processes", {
  skip_if_no_python()
  folder <- withr::local_tempdir()
  soil_stack() # its file outlives this test
  made_there <- in_fresh_r(
    function(folder, x, y, stack) {
      library(edaphosbridge)
      setwd(folder)
      encoder <- foundation_encoder("simclr", in_channels = 4, seed = 1)
      classifier <- foundation_fit_classifier(encoder, x, y, epochs = 3, seed = 5)
      moco <- foundation_moco_pretrain(x, 6, 4, batch_size = 8, epochs = 2, seed = 1)
      simclr <- foundation_simclr_pretrain(x, 6, 4, epochs = 2, seed = 1)
      tiles <- foundation_tile_dataset(stack, 5, 20, seed = 2)
      tiles_fit <- foundation_moco_pretrain_tiles(tiles, 6, 4, batch_size = 8, epochs = 2, seed = 1)
      objects <- list(
        encoder = encoder, classifier = classifier, moco = moco, simclr = simclr, tiles = tiles,
        tiles_fit = tiles_fit
      )
      saveRDS(objects, "objects.rds")
      list2env(objects, globalenv())
      save.image("workspace.RData")
      list(
        prob = predict(classifier, x, type = "prob"),
        moco = foundation_moco_embed(moco, x),
        simclr = foundation_simclr_embed(simclr, x),
        sample = tiles$sample(3, seed = 1),
        points = foundation_embed_at_coords(tiles_fit, tiles$cells * 10 + 550, stack),
        again = foundation_fit_classifier(moco, x, y, epochs = 2, seed = 1)$loss_history
      )
    },
    list(folder, soil_x, soil_y, made$stack)
  )
  for (file in c("objects.rds", "workspace.RData")) {
    opened <- in_fresh_r(
      function(file, x, y, stack) {
        if (endsWith(file, "rds")) list2env(readRDS(file), environment()) else load(file)
        library(edaphosbridge)
        shown <- lapply(list(encoder, classifier, moco, simclr, tiles, tiles_fit), format)
        started <- reticulate::py_available()
        list(
          started = started,
          values = list(
            prob = predict(classifier, x, type = "prob"),
            moco = foundation_moco_embed(moco, x),
            simclr = foundation_simclr_embed(simclr, x),
            sample = tiles$sample(3, seed = 1),
            points = foundation_embed_at_coords(tiles_fit, tiles$cells * 10 + 550, stack),
            again = foundation_fit_classifier(moco, x, y, epochs = 2, seed = 1)$loss_history
          )
        )
      },
      list(file.path(folder, file), soil_x, soil_y, made$stack)
    )
    expect_false(opened$started) # reading and printing need no Python
    expect_identical(opened$values, made_there)
  }
})

# The state as format 1 has it, without a digest, and with other metadata.
with_metadata <- function(state, ...) {
  reticulate::py_run_string("
import json
import safetensors.torch

def with_metadata(state, changes):
    state = bytes(state)
    header = json.loads(state[8 : 8 + int.from_bytes(state[:8], 'little')])
    document = json.loads(header['__metadata__']['edaphos_bridge'])
    del document['digest']
    document = {**document, 'format_version': 1, **changes}
    metadata = {'edaphos_bridge': json.dumps(document)}
    return bytearray(safetensors.torch.save(safetensors.torch.load(state), metadata=metadata))
")
  reticulate::py$with_metadata(state, list(...))
}

test_that("what a newer version wrote is refused with a sentence", {
  skip_if_no_python()
  newer <- function(object) {
    object$state <- with_metadata(object$state, format_version = 3L)
    object
  }
  says <- "This file has format 3; this edaphos_bridge reads up to 2. Update edaphos_bridge"
  refused <- function(code) {
    condition <- expect_error(code, class = "edaphosbridge_weights_error")
    expect_match(conditionMessage(condition), says, fixed = TRUE)
    expect_s3_class(condition, "edaphosbridge_error")
  }
  refused(predict(newer(soil_fit()), soil_x))
  refused(quick_fit(newer(soil_encoder())))
  refused(newer(soil_tiles())$sample(1))
  pretrained <- tile_fit()
  encoder <- newer(pretrained$encoder)
  pretrained <- structure(
    replace(unclass(pretrained), "encoder", list(encoder)),
    class = class(pretrained)
  )
  refused(foundation_moco_embed(pretrained, soil_x))
})

test_that("a fit made on cuda predicts on the cpu where there is none, and says so", {
  skip_if_no_python()
  skip_if(reticulate::import("torch")$cuda$is_available(), "there is a cuda device")
  fit <- soil_fit()
  fit$device <- "cuda"
  fit$state <- with_metadata(fit$state, device = "cuda")
  expect_message(probabilities <- prob(fit), "cuda.*cpu")
  expect_identical(probabilities, prob(soil_fit()))
  expect_silent(prob(fit, device = "cpu"))
})

# What R shows of an object in a session without the package.
shown_without_package <- function(object) {
  file <- withr::local_tempfile()
  saveRDS(object, file)
  callr::r(
    function(file) {
      object <- readRDS(file)
      lines <- utils::capture.output(print(object), utils::str(object))
      list(lines = lines, loaded = isNamespaceLoaded("edaphosbridge"))
    },
    list(file)
  )
}

test_that("without the package no object of any class prints its bytes, but what to load", {
  skip_if_no_python()
  objects <- list(
    encoder = soil_encoder(), classifier = soil_fit(), pretrain = tile_fit(), tiles = soil_tiles(),
    sweep = foundation_probe_sweep(
      soil_encoder(), soil_x, soil_y, lr = 0.01, weight_decay = 0, C = 1, seeds = 1, epochs = 1
    )
  )
  for (object in objects) {
    shown <- shown_without_package(object)
    expect_false(shown$loaded)
    expect_true(any(grepl("library(edaphosbridge)", shown$lines, fixed = TRUE)))
    expect_false(any(grepl("^ *\\[[0-9]+\\]( [0-9a-f]{2}){8}", shown$lines)))
    expect_lt(length(shown$lines), 300) # the elements themselves, of a sweep 259
  }
})

test_that("the bytes are raw for whoever asks, and travel with the object", {
  skip_if_no_python()
  for (object in list(soil_encoder(), soil_fit(), tile_fit(), soil_tiles())) {
    expect_type(object$state, "raw")
    copy <- deep_copy(object)
    expect_identical(copy, object)
    expect_identical(copy$state, object$state)
    copy$state <- object$state # as somebody may put them there
    expect_identical(copy$state, object$state)
    expect_null(object$nothing_of_that_name)
  }
  expect_identical(soil_fit()$loss_h, soil_fit()$loss_history) # as of any list
})
