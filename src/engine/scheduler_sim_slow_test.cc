#include <gtest/gtest.h>

#include "engine/scheduler_sim.h"

namespace firesteel {
namespace {

TEST(SchedulerSimSlow, ThousandsOfRandomWorlds) {
  for (uint64_t seed = 100'000; seed < 105'000; ++seed) {
    Rng rng(seed);
    auto config = SchedulerSim::random_config(rng);
    config.n_requests = static_cast<int>(rng.between(1, 150));
    SchedulerSim sim(config, seed);
    ASSERT_TRUE(sim.run()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace firesteel
