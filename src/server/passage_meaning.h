// What documents and queries mean to the served model, where that is worth anything: a thread computes the vectors of passages by and by
// (a document is found by its words at once), and queries get theirs when they are asked. Models that were trained to write make
// embeddings that often tell nothing apart; so the model is tried first, on questions and answers that share few words, and left alone if
// it cannot find the answers.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/generator.h"
#include "base/mutex.h"
#include "store/document_index.h"
#include "store/store.h"
#include "telemetry/log.h"

namespace firesteel {

// Which of the fixed questions find their answer first among all answers, by cosine; and what vectors are measured from.
struct EmbeddingTrial {
  int n_pairs = 0, n_found = 0;
  std::vector<float> query_centre = {}, passage_centre = {};  // means, taken off: embeddings of one model share most of their direction
  double floor = 0;                                           // cosine that one in ten pairs of strangers reaches
  bool useful() const { return n_pairs > 0 && 10 * n_found >= 6 * n_pairs; }  // chance is one in n_pairs
};
Result<EmbeddingTrial> try_embeddings(Generator* generator);

// Thread-safe.
class PassageMeaning {
 public:
  PassageMeaning(Generator* generator, Store* store, Log* log);
  ~PassageMeaning();  // stops after the passage under way; what is left is done at the next start

  void start();
  // There are new passages. Without being told it looks every ten seconds: other replicas take documents, too.
  void wake() FS_EXCLUDES(mutex_);
  // nullopt: the model's embeddings are of no use, or have not been tried yet.
  std::optional<QueryMeaning> of(std::string_view query) const;

 private:
  void work();
  bool embed_some();  // false: nothing is left, or it must stop

  Generator* const generator_;
  Store* const store_;
  Log* const log_;
  const std::string model_;
  std::unique_ptr<const EmbeddingTrial> trial_;  // set before is_useful_
  std::atomic<bool> is_useful_{false}, stops_{false};
  Mutex mutex_;
  CondVar came_;
  bool is_new_ FS_GUARDED_BY(mutex_) = true;
  std::thread thread_;
};

}  // namespace firesteel
