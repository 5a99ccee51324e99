// Looks at some answers more closely, behind the scenes: where the question lies among others (its embedding), and how good a judge finds
// the answer. Texts are in memory until they were looked at, and are never stored; the numbers are, with the hour's sums.
#pragma once

#include <string>
#include <string_view>
#include <thread>

#include "api/generator.h"
#include "base/queue.h"
#include "release/controller.h"
#include "release/monitor.h"

namespace firesteel {

// What does not fit into its short queue is left out: it is a sample, and never in the way. One thread of its own, whose requests to the
// generator are of the background class.
class MonitorSampler {
 public:
  MonitorSampler(Generator* generator, ReleaseController* releases, MonitorSample sample);
  ~MonitorSampler();   // after what is under way
  MonitorSampler(const MonitorSampler&) = delete;
  MonitorSampler& operator=(const MonitorSampler&) = delete;

  struct Work {
    Assignment assignment;
    std::string tenant;
    FlowId flow = {};
    CacheNamespace cache_namespace = {};
    std::string question, answer;
    bool embeds = false, judges = false;
  };
  // Whether the answer of this request is one of them: decided by its id, the same every time. Sets embeds and judges.
  bool chooses(std::string_view request_id, Work* work) const;
  void add(Work work);

 private:
  void run();
  Generator& generator_;
  ReleaseController& releases_;
  const MonitorSample sample_;
  BoundedQueue<Work> queue_{64};
  std::thread thread_;
};

}  // namespace firesteel
