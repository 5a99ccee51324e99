// Between a request's model name and the variant that answers it: resolves, changes the prompt and what the request left open, lets the
// candidate answer unseen in its shadow phase, and tells the release controller how it went.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/queue.h"
#include "release/controller.h"
#include "server/generation_reply.h"
#include "server/monitor_sampler.h"

namespace firesteel {

// Answers of candidates that nobody sees, one after the other in the background class. What does not fit into its short queue is left
// out: the shadow is a sample, and never in the way.
class ShadowRunner {
 public:
  struct Work {
    GenerateRequest request;
    Assignment assignment;
    std::string tenant;
  };
  ShadowRunner(Generator* generator, ReleaseController* releases);
  ~ShadowRunner();   // after the answer under way
  ShadowRunner(const ShadowRunner&) = delete;
  ShadowRunner& operator=(const ShadowRunner&) = delete;
  void add(Work work);

 private:
  void run();
  Generator& generator_;
  ReleaseController& releases_;
  BoundedQueue<Work> queue_{16};
  std::thread thread_;
};

// What a server with releases has. Made by the caller of the server, before it serves.
struct ReleaseDesk {
  ReleaseDesk(Generator* generator, std::unique_ptr<ReleaseController> controller_in, MonitorSample sample = {})
      : controller(std::move(controller_in)), shadow(generator, controller.get()), sampler(generator, controller.get(), std::move(sample)) {}
  const std::unique_ptr<ReleaseController> controller;
  ShadowRunner shadow;
  MonitorSampler sampler;
  // Everything about one person goes, with what was made of it (POST admin/erase); the report as JSON. `actor` stands in the audit log. Empty: not here.
  std::function<Result<Json>(const std::string& user, const std::string& tenant, bool dry_run, const std::string& actor)> erase_person = {};
};

// `model`: as asked for. `surface`: "web", "api". `body`: the request's JSON, for what it says itself and whose request it is; may be null.
// When no variant has the name the answer is only counted, under the model's name. An error when the variant cannot be served here.
std::optional<ApiError> apply_release(ServerContext* context, const Call& call, const std::string& model, const std::string& surface, const Json& body,
                                      const std::string& message, Exchange* exchange, GenerationHooks* hooks);

// Puts a variant's system text and settings into a request that says nothing about them.
void apply_variant(const VariantSpec& spec, const Json& body, GenerateRequest* request);

}  // namespace firesteel
