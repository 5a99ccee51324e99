#include "server/monitor_sampler.h"

#include <optional>
#include <utility>

#include "eval/judge.h"

namespace firesteel {
namespace {

// 0 to 1, of a text and a number.
double chance(std::string_view text, uint64_t which) {
  uint64_t hash = 0xcbf29ce484222325u ^ which;  // FNV-1a, then mixed: only the high bits count
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash ^= hash >> 31;
  return static_cast<double>(hash >> 11) * 0x1p-53;
}

}  // namespace

MonitorSampler::MonitorSampler(Generator* generator, ReleaseController* releases, MonitorSample sample)
    : generator_(*generator), releases_(*releases), sample_(std::move(sample)), thread_([this] { run(); }) {}

MonitorSampler::~MonitorSampler() {
  queue_.close();
  thread_.join();
}

bool MonitorSampler::chooses(std::string_view request_id, Work* work) const {
  work->embeds = chance(request_id, 1) < sample_.embed_share;
  work->judges = chance(request_id, 2) < sample_.judge_share;
  return work->embeds || work->judges;
}

void MonitorSampler::add(Work work) { static_cast<void>(queue_.try_push(std::move(work))); }

void MonitorSampler::run() {
  while (std::optional<Work> work = queue_.pop()) {
    SampleFacts facts;
    if (work->embeds) {
      // The question alone, so that a change of system text is no change of what people ask.
      Result<std::vector<float>> embedding = generator_.embed(RawPrompt{.text = work->question});
      if (embedding.ok()) facts.embedding = std::move(*embedding);
    }
    if (work->judges && !work->answer.empty()) {
      GenerateRequest request;
      request.priority = Priority::kBatch;
      request.flow = work->flow;
      request.cache_namespace = work->cache_namespace;
      const Result<double> grade = judge_grade(&generator_, std::move(request), sample_.criterion, work->question, work->answer);
      if (grade.ok()) facts.judged = *grade;
    }
    releases_.record_sample(work->assignment, work->tenant, facts);
  }
}

}  // namespace firesteel
