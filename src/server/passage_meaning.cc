#include "server/passage_meaning.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace firesteel {
namespace {

constexpr size_t kAtOnce = 16;            // passages of one write
constexpr int64_t kLookUs = 10'000'000;   // between looks at documents that came another way
constexpr size_t kQueryBytesMax = 1000;

// A question and the sentence that answers it; few words in common.
constexpr std::pair<const char*, const char*> kPairs[] = {
    {"How long before moving out must I tell the landlord?", "The tenant gives notice of termination three months in advance, in writing."},
    {"Are dogs allowed in the flat?", "Animals may be kept in the apartment only with the owner's consent."},
    {"What does the machine weigh?", "The mass of the device without packaging is 14.2 kg."},
    {"Who pays for broken windows?", "Damage to glass is borne by the person who caused it."},
    {"When is the office closed?", "Our premises are not open on Sundays and public holidays."},
    {"How hot may the liquid get?", "The temperature of the fluid must stay below 80 degrees Celsius."},
    {"What happens if I pay late?", "Interest of five percent is charged on overdue amounts."},
    {"How do I clean the filter?", "Rinse the sieve under running water once a week and let it dry."},
    {"Which plants need little water?", "Cacti and succulents survive long dry spells."},
    {"Why is the sky blue?", "Short wavelengths of sunlight are scattered more by the air than long ones."},
    {"How many people work there?", "The company has 230 employees at two sites."},
    {"Where do I send the form?", "Completed applications are mailed to the address of the registry."},
    {"What is the doctor's advice for a cold?", "With an infection of the upper airways, physicians recommend rest and plenty of fluids."},
    {"How fast can the car go?", "The vehicle reaches a maximum speed of 180 kilometres per hour."},
    {"Can the contract be passed on to someone else?", "Assignment of rights and duties to third parties needs prior approval."},
    {"What is the area of the triangle?", "Half the product of base and height gives the surface of a three-sided figure."},
};

std::vector<float> mean_of(const std::vector<std::vector<float>>& all) {
  std::vector<float> mean(all.front().size());
  for (const auto& one : all) {
    for (size_t i = 0; i < mean.size() && i < one.size(); ++i) mean[i] += one[i] / static_cast<float>(all.size());
  }
  return mean;
}

PassageVector from(const std::vector<float>& centre, std::vector<float> embedding) {
  for (size_t i = 0; i < embedding.size() && i < centre.size(); ++i) embedding[i] -= centre[i];
  return passage_vector(embedding);
}

}  // namespace

Result<EmbeddingTrial> try_embeddings(Generator* generator) {
  std::vector<std::vector<float>> questions, answers;
  for (const auto& [question, answer] : kPairs) {
    FS_TRY(questions.emplace_back(), generator->embed(RawPrompt{question}));
    FS_TRY(answers.emplace_back(), generator->embed(RawPrompt{answer}));
  }
  EmbeddingTrial trial;
  trial.query_centre = mean_of(questions);
  trial.passage_centre = mean_of(answers);
  std::vector<double> of_strangers;
  for (size_t i = 0; i < questions.size(); ++i) {
    const PassageVector question = from(trial.query_centre, questions[i]);
    double own = 0, best = -2;
    for (size_t j = 0; j < answers.size(); ++j) {
      const double at = cosine(question, from(trial.passage_centre, answers[j]));
      if (i == j) own = at;
      else of_strangers.push_back(at);
      if (i != j) best = std::max(best, at);
    }
    ++trial.n_pairs;
    trial.n_found += own > best ? 1 : 0;
  }
  std::sort(of_strangers.begin(), of_strangers.end());
  trial.floor = of_strangers[of_strangers.size() * 9 / 10];
  return trial;
}

PassageMeaning::PassageMeaning(Generator* generator, Store* store, Log* log) : generator_(generator), store_(store), log_(log), model_(generator->info().digest) {}

PassageMeaning::~PassageMeaning() {
  stops_ = true;
  came_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void PassageMeaning::start() {
  thread_ = std::thread([this] { work(); });
}

void PassageMeaning::wake() {
  {
    MutexLock lock(mutex_);
    is_new_ = true;
  }
  came_.notify_all();
}

std::optional<QueryMeaning> PassageMeaning::of(std::string_view query) const {
  if (!is_useful_.load(std::memory_order_acquire) || query.empty() || query.size() > kQueryBytesMax) return std::nullopt;
  const Result<std::vector<float>> embedding = generator_->embed(RawPrompt{std::string(query)});
  if (!embedding.ok()) return std::nullopt;  // then its words must do
  return QueryMeaning{.model = model_, .vector = from(trial_->query_centre, *embedding), .floor = trial_->floor};
}

void PassageMeaning::work() {
  while (!stops_) {
    {
      MutexLock lock(mutex_);
      while (!is_new_ && !stops_) {
        if (!came_.wait_for(mutex_, std::chrono::microseconds(kLookUs))) break;
      }
      is_new_ = false;
    }
    if (stops_) return;
    DocumentIndex index(*store_);
    if (trial_ == nullptr) {
      const auto any = index.without_vector("", 1);
      if (!any.ok() || any->empty()) continue;  // no document yet: nothing to try it for
      Result<EmbeddingTrial> tried = try_embeddings(generator_);
      if (!tried.ok()) {
        log_->write(LogLevel::kWarning, "embeddings", {{"error", tried.error().message}});
        return;
      }
      trial_ = std::make_unique<const EmbeddingTrial>(std::move(tried).value());
      log_->write(LogLevel::kInfo, "embeddings", {{"model", model_}, {"found", trial_->n_found}, {"of", trial_->n_pairs}, {"used", trial_->useful()}});
      if (!trial_->useful()) return;
      is_useful_.store(true, std::memory_order_release);
    }
    while (embed_some()) {
    }
  }
}

bool PassageMeaning::embed_some() {
  DocumentIndex index(*store_);
  const auto left = index.without_vector(model_, kAtOnce);
  if (!left.ok() || left->empty()) return false;
  std::vector<std::pair<int64_t, PassageVector>> made;
  for (const PassageToEmbed& passage : *left) {
    if (stops_) break;
    const Result<std::vector<float>> embedding = generator_->embed(RawPrompt{passage.text});
    // What the model cannot read has no direction, and is not tried again.
    made.emplace_back(passage.id, embedding.ok() ? from(trial_->passage_centre, *embedding) : PassageVector());
  }
  return index.put_vectors(model_, made).ok() && !stops_;
}

}  // namespace firesteel
