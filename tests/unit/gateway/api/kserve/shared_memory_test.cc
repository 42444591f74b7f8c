#include "gateway/api/kserve/shared_memory.h"

#include <sys/resource.h>

#include <atomic>
#include <thread>
#include <vector>

#include "common/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/kserve/shared_files.h"

namespace tiffin::gateway::kserve {
namespace {

using ::testing::HasSubstr;
using testing::OpenDescriptors;
using testing::SharedFiles;

class SharedMemoryTest : public ::testing::Test {
 protected:
  SharedMemoryTest() {
    files_.Write("file", "0123456789");
    memory_ = Create(3);
  }
  std::unique_ptr<SharedMemory> Create(size_t max_regions) {
    return *SharedMemory::Create({.directory = files_.path(), .max_regions = max_regions});
  }
  static RegionSpec Spec(std::string name) {
    return {.name = std::move(name), .key = "/file", .offset = 2, .byte_size = 5};
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const RegionSpec& spec : memory_->List()) names.push_back(spec.name);
    return names;
  }

  SharedFiles files_;
  std::unique_ptr<SharedMemory> memory_;
};

TEST_F(SharedMemoryTest, FindsWhatWasRegistered) {
  ASSERT_TRUE(memory_->Register(Spec("a")).ok());
  const auto region = memory_->Find("a");
  ASSERT_TRUE(region.ok());
  EXPECT_EQ((*region)->spec().key, "/file");
  EXPECT_EQ((*region)->spec().offset, 2U);
  EXPECT_EQ((*region)->spec().byte_size, 5U);
  EXPECT_EQ(memory_->Find("b").status(),
            absl::NotFoundError("Unable to find shared memory region: 'b'; register it first"));
}

TEST_F(SharedMemoryTest, ANameIsTakenOnce) {
  ASSERT_TRUE(memory_->Register(Spec("a")).ok());
  const size_t descriptors = OpenDescriptors();
  EXPECT_EQ(
      memory_->Register(Spec("a")),
      absl::AlreadyExistsError("shared memory region 'a' already in manager; unregister it first"));
  EXPECT_EQ(OpenDescriptors(), descriptors);
  memory_->Unregister("a");
  EXPECT_TRUE(memory_->Register(Spec("a")).ok());
}

TEST_F(SharedMemoryTest, ThereIsALimit) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(memory_->Register(Spec(name)).ok());
  const size_t descriptors = OpenDescriptors();
  EXPECT_EQ(memory_->Register(Spec("d")),
            absl::ResourceExhaustedError("there are 3 shared memory regions, the most that this "
                                         "server takes; unregister some"));
  EXPECT_EQ(OpenDescriptors(), descriptors);
  memory_->Unregister("b");
  EXPECT_TRUE(memory_->Register(Spec("d")).ok());
}

TEST_F(SharedMemoryTest, RegionsTakeNoMoreThanAQuarterOfTheDescriptors) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few = {.rlim_cur = 40, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  memory_ = Create(1024);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(memory_->Register(Spec(std::to_string(i))).ok());
  EXPECT_EQ(memory_->Register(Spec("more")).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(SharedMemoryTest, UnregisteringClosesOneOrAll) {
  const size_t before = OpenDescriptors();
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(memory_->Register(Spec(name)).ok());
  EXPECT_EQ(OpenDescriptors(), before + 3);
  EXPECT_THAT(Names(), ::testing::ElementsAre("a", "b", "c"));
  memory_->Unregister("a");
  memory_->Unregister("nobody");
  EXPECT_EQ(OpenDescriptors(), before + 2);
  EXPECT_THAT(Names(), ::testing::ElementsAre("b", "c"));
  memory_->UnregisterAll();
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_THAT(Names(), ::testing::IsEmpty());
}

TEST_F(SharedMemoryTest, WhoHasARegionKeepsIt) {
  ASSERT_TRUE(memory_->Register(Spec("a")).ok());
  const auto region = memory_->Find("a");
  memory_->Unregister("a");
  std::byte byte{};
  EXPECT_TRUE((*region)->Read(0, {&byte, 1}).ok());
  EXPECT_EQ(byte, std::byte{'2'});
}

TEST_F(SharedMemoryTest, WithoutTheFolderThereIsNone) {
  const absl::Status status = SharedMemory::Create({.directory = files_.PathOf("gone")}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr(files_.PathOf("gone")));
}

// As several loops do; the sanitizers look on.
TEST_F(SharedMemoryTest, ManyThreadsMayUseIt) {
  memory_ = Create(100);
  const size_t before = OpenDescriptors();
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string name = std::to_string((t + i) % 5);
        const absl::Status registered = memory_->Register(Spec(name));
        EXPECT_TRUE(registered.ok() || absl::IsAlreadyExists(registered)) << registered;
        if (const auto region = memory_->Find(name); region.ok()) {
          std::byte byte{};
          EXPECT_TRUE((*region)->Read(0, {&byte, 1}).ok());
        }
        EXPECT_LE(memory_->List().size(), 5U);
        memory_->Unregister(name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  memory_->UnregisterAll();
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
