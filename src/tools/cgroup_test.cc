// Control groups against a folder of plain files that looks like the kernel's: which groups are taken, and what is written into them.
// That the kernel keeps such limits is the kernel's; on machines that hand a group over, SandboxTest runs in one.
#include "tools/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/mapped_file.h"

namespace firesteel {
namespace {

class CgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path().string() + "/firesteel-cgroup-" + std::to_string(getpid());
    own_ = root_ + "/user.slice/run-7.scope";
    std::filesystem::create_directories(own_);
    put("cgroup.controllers", "cpuset cpu io memory pids\n");
    put("cgroup.procs", std::to_string(getpid()) + "\n");
    put("cgroup.subtree_control", "");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& name, const std::string& text) const { std::ofstream(own_ + "/" + name) << text; }
  static std::string get(const std::string& path) {
    const auto text = read_file(path, 4096);
    return text.ok() ? *text : "absent";
  }
  Result<std::unique_ptr<CgroupParent>> find(const std::string& self = "0::/user.slice/run-7.scope\n") const {
    return CgroupParent::find({.root = root_, .self = self, .makes_files = true});
  }
  std::string why(const std::string& self = "0::/user.slice/run-7.scope\n") const {
    const auto found = find(self);
    return found.ok() ? "" : found.error().message;
  }
  std::string root_, own_;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(CgroupTest, AGroupOfOurOwnIsMadeWithItsLimits) {
  const auto parent = find("8:pids:/x\n0::/user.slice/run-7.scope\n");
  ASSERT_TRUE(parent.ok()) << parent.error().message;
  EXPECT_EQ(get(own_ + "/firesteel-main/cgroup.procs"), std::to_string(getpid()));
  EXPECT_EQ(get(own_ + "/cgroup.subtree_control"), "+memory +pids +cpu");
  std::string path;
  {
    const auto group = (*parent)->make({.memory_bytes = 1000, .n_processes = 20, .cpu_percent = 150});
    ASSERT_TRUE(group.ok()) << group.error().message;
    path = own_ + "/firesteel-" + std::to_string(getpid()) + "-1";
    EXPECT_EQ(get(path + "/memory.max"), "1000");
    EXPECT_EQ(get(path + "/memory.swap.max"), "0");
    EXPECT_EQ(get(path + "/pids.max"), "20");
    EXPECT_EQ(get(path + "/cpu.max"), "150000 100000");
    EXPECT_EQ(write((*group)->procs_fd(), "0", 1), 1);
    EXPECT_EQ(get(path + "/cgroup.procs"), "0");
    EXPECT_FALSE((*group)->ran_out_of_memory());
    std::ofstream(path + "/memory.events") << "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n";
    EXPECT_TRUE((*group)->ran_out_of_memory());
  }
  // Once moved, it is found from where it is.
  EXPECT_EQ(why("0::/user.slice/run-7.scope/firesteel-main\n"), "");
}

TEST_F(CgroupTest, GroupsThatAreNotOursAloneAreLeftAlone) {
  EXPECT_TRUE(has(why("8:pids:/x\n"), "none of version 2"));
  EXPECT_TRUE(has(why("0::/../../other\n"), "none of version 2"));
  EXPECT_TRUE(has(why("0::/nowhere\n"), "does not offer memory"));
  put("cgroup.controllers", "cpu pids\n");
  EXPECT_TRUE(has(why(), "does not offer memory"));
  put("cgroup.controllers", "cpu pids memory\n");
  put("cgroup.procs", "1\n" + std::to_string(getpid()) + "\n");
  EXPECT_TRUE(has(why(), "other processes"));
  EXPECT_FALSE(std::filesystem::exists(own_ + "/firesteel-main"));
}

}  // namespace
}  // namespace firesteel
