// Where patches begin beside a text part that has learnt already: as the embeddings of what they show.
//
// The decoder knows how to copy and compare tokens. So W and b of the projection are those for which W patch + b comes nearest to the
// embedding of the token that a mark of the patch names (least squares, with a little weight on the size of W); patches without a mark
// are to give the embedding of the picture's pad. Row and column embeddings shrink to a quarter, so as not to drown it.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "schema/sample.h"
#include "train/network_shape.h"
#include "train/sample_encoder.h"

namespace firesteel {

struct PatchStart {
  int64_t n_samples = 0;  // with pictures
  int64_t n_marks = 0;    // 0: nothing was changed
};

// weights: of plan_parameters(shape), the text part given. Reads samples of the source until it has 30,000 marks, at most 20,000
// samples. Errors are those of the source; samples that cannot be encoded are passed over. The result depends on the source only.
Result<PatchStart> start_patches(const NetworkShape& shape, const SampleSource& source, const SampleEncoder& encoder, std::span<float> weights);

}  // namespace firesteel
