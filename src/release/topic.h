// A rough number for what a question is about, so that a change of topics shows without anything of the questions being kept.
#pragma once

#include <string_view>

namespace firesteel {

inline constexpr int kTopicBuckets = 64;

// 0 to kTopicBuckets - 1: the signs of six fixed random projections of the text's words of four letters and more, so that texts with many
// words in common are likely to share a bucket. Only the first 4 KiB count. Source: Charikar 2002, "Similarity estimation techniques from
// rounding algorithms".
int topic_bucket(std::string_view text);

}  // namespace firesteel
