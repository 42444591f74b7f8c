#include "common/shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/shm/open_descriptors.h"
#include "tests/unit/common/temporary_folder.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kSize = 64 * 1024;
constexpr int kAllSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

OwnedSegment MakeSegment(uint64_t size = kSize) {
  absl::StatusOr<OwnedSegment> segment = OwnedSegment::Create(size);
  EXPECT_TRUE(segment.ok()) << segment.status();
  return *std::move(segment);
}

UniqueFd Duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// Another way to the same memory, with as many rights as the kernel gives.
UniqueFd Reopen(int fd) {
  return UniqueFd(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC));
}

enum class Allocated { kWhole, kSparse };

UniqueFd MakeMemfd(uint64_t size, Allocated allocated, int seals) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_TRUE(fd.valid());
  if (allocated == Allocated::kWhole) {
    EXPECT_EQ(::posix_fallocate(fd.get(), 0, static_cast<off_t>(size)), 0);
  } else {
    EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  }
  EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

TEST(UniqueFdTest, ClosesOnDestructionAndOnAssignment) {
  const size_t before = OpenDescriptors();
  {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd second(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(OpenDescriptors(), before + 2);

    first = std::move(second);

    EXPECT_EQ(OpenDescriptors(), before + 1);
    EXPECT_TRUE(first.valid());
    EXPECT_FALSE(second.valid());  // NOLINT(bugprone-use-after-move): what is left is defined.
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(OwnedSegmentTest, IsWholeWritableAndOfTheSizeAskedFor) {
  const OwnedSegment segment = MakeSegment(100'000);

  ASSERT_EQ(segment.bytes().size(), 100'000U);
  EXPECT_EQ(segment.size(), 100'000U);
  std::ranges::fill(segment.bytes(), std::byte{7});
  EXPECT_EQ(segment.bytes().back(), std::byte{7});
}

TEST(OwnedSegmentTest, RefusesAnEmptySegment) {
  EXPECT_EQ(OwnedSegment::Create(0).status().code(), absl::StatusCode::kInvalidArgument);
}

// The kernel would begin to allocate these and kill half the machine. The limit on file sizes keeps
// it from that where Create fails to; the message tells who has refused.
TEST(OwnedSegmentTest, RefusesMoreThanTheMachineHasWithoutAskingTheKernel) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);

  for (const uint64_t size :
       {uint64_t{1} << 50, uint64_t{1} << 63, std::numeric_limits<uint64_t>::max()}) {
    const absl::Status status = OwnedSegment::Create(size).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("this machine has"));
  }

  std::signal(SIGXFSZ, old_handler);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
}

TEST(OwnedSegmentTest, ClosesItsDescriptor) {
  const size_t before = OpenDescriptors();
  {
    const OwnedSegment segment = MakeSegment();
    EXPECT_EQ(OpenDescriptors(), before + 1);
    EXPECT_NE(::fcntl(segment.fd(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ForeignSegmentTest, ReadsWhatTheOwnerWritesBeforeAndAfterMapping) {
  const OwnedSegment owned = MakeSegment();
  owned.bytes()[0] = std::byte{1};
  absl::StatusOr<ForeignSegment> foreign =
      ForeignSegment::Receive(Duplicate(owned.fd()), owned.size());
  ASSERT_TRUE(foreign.ok()) << foreign.status();

  const absl::StatusOr<std::span<const std::byte>> bytes = foreign->Map();

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  ASSERT_EQ(bytes->size(), kSize);
  EXPECT_EQ((*bytes)[0], std::byte{1});
  owned.bytes()[kSize - 1] = std::byte{2};
  EXPECT_EQ((*bytes)[kSize - 1], std::byte{2});
  EXPECT_EQ(foreign->Map()->data(), bytes->data()) << "mapped once only";
}

TEST(ForeignSegmentTest, KeepsTheMemoryWhenTheOwnerIsGone) {
  absl::StatusOr<ForeignSegment> foreign = absl::UnknownError("");
  {
    const OwnedSegment owned = MakeSegment();
    owned.bytes()[77] = std::byte{77};
    foreign = ForeignSegment::Receive(Duplicate(owned.fd()), owned.size());
  }
  ASSERT_TRUE(foreign.ok()) << foreign.status();

  const absl::StatusOr<std::span<const std::byte>> bytes = foreign->Map();

  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ((*bytes)[77], std::byte{77});
}

// What anyone who holds the descriptor may try, through it and through a reopened one.
class SealedSegmentTest : public testing::Test {
 protected:
  SealedSegmentTest() : segment_(MakeSegment()), reopened_(Reopen(segment_.fd())) {
    std::ranges::fill(segment_.bytes(), std::byte{9});
    fds_.push_back(segment_.fd());
    if (reopened_.valid()) fds_.push_back(reopened_.get());
  }

  ~SealedSegmentTest() override {
    struct stat status {};
    EXPECT_EQ(::fstat(segment_.fd(), &status), 0);
    EXPECT_EQ(status.st_size, static_cast<off_t>(kSize));
    EXPECT_EQ(std::ranges::count(segment_.bytes(), std::byte{9}), static_cast<long>(kSize));
  }

  OwnedSegment segment_;
  UniqueFd reopened_;
  std::vector<int> fds_;
};

TEST_F(SealedSegmentTest, KernelRefusesASecondWritableMapping) {
  for (const int fd : fds_) {
    EXPECT_EQ(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    EXPECT_EQ(errno, EPERM);
  }
}

TEST_F(SealedSegmentTest, KernelRefusesToMakeAReadersMappingWritable) {
  for (const int fd : fds_) {
    void* mapping = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, 0);
    ASSERT_NE(mapping, MAP_FAILED);
    EXPECT_NE(::mprotect(mapping, kSize, PROT_READ | PROT_WRITE), 0);
    EXPECT_EQ(errno, EACCES);
    EXPECT_NE(::madvise(mapping, kSize, MADV_REMOVE), 0);
    ::munmap(mapping, kSize);
  }
}

TEST_F(SealedSegmentTest, KernelRefusesAReceiversMappingToBecomeWritable) {
  absl::StatusOr<ForeignSegment> foreign = ForeignSegment::Receive(Duplicate(segment_.fd()), kSize);
  ASSERT_TRUE(foreign.ok()) << foreign.status();
  const absl::StatusOr<std::span<const std::byte>> bytes = foreign->Map();
  ASSERT_TRUE(bytes.ok()) << bytes.status();

  EXPECT_NE(::mprotect(const_cast<std::byte*>(bytes->data()), kSize, PROT_READ | PROT_WRITE), 0);
}

TEST_F(SealedSegmentTest, KernelRefusesToShrinkAndToGrow) {
  for (const int fd : fds_) {
    for (const uint64_t size : {uint64_t{0}, kSize / 2, kSize - 1, kSize + 1, kSize * 2}) {
      EXPECT_NE(::ftruncate(fd, static_cast<off_t>(size)), 0) << size;
      EXPECT_EQ(errno, EPERM);
    }
    EXPECT_NE(::fallocate(fd, 0, kSize, kSize), 0);
  }
}

TEST_F(SealedSegmentTest, KernelRefusesToWrite) {
  for (const int fd : fds_) {
    EXPECT_LT(::pwrite(fd, "x", 1, 0), 0);
    EXPECT_EQ(errno, EPERM);
    EXPECT_LT(::write(fd, "x", 1), 0);
  }
}

TEST_F(SealedSegmentTest, KernelRefusesToPunchHoles) {
  for (const int fd : fds_) {
    EXPECT_NE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_NE(::madvise(segment_.bytes().data(), kSize, MADV_REMOVE), 0) << "nor may the owner";
}

TEST_F(SealedSegmentTest, KernelRefusesToChangeTheSeals) {
  for (const int fd : fds_) EXPECT_NE(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(::fcntl(segment_.fd(), F_GET_SEALS) & kAllSeals, kAllSeals);
}

void ExpectRefused(UniqueFd fd, uint64_t size, std::string_view says) {
  const absl::Status status = ForeignSegment::Receive(std::move(fd), size).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::string(says)));
}

TEST(ForeignSegmentTest, RefusesASegmentThatLacksAnySeal) {
  ExpectRefused(MakeMemfd(kSize, Allocated::kWhole, 0), kSize, "lacks seals");
  for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL}) {
    ExpectRefused(MakeMemfd(kSize, Allocated::kWhole, kAllSeals & ~missing), kSize, "lacks seals");
  }
  EXPECT_TRUE(ForeignSegment::Receive(MakeMemfd(kSize, Allocated::kWhole, kAllSeals), kSize).ok());
}

TEST(ForeignSegmentTest, RefusesAnotherSizeThanAnnounced) {
  const OwnedSegment owned = MakeSegment();
  for (const uint64_t size : {uint64_t{0}, kSize - 1, kSize + 1, kSize * 2, ~uint64_t{0}}) {
    ExpectRefused(Duplicate(owned.fd()), size, "announced were");
  }
  ExpectRefused(MakeMemfd(0, Allocated::kSparse, kAllSeals), 0, "announced were 0");
}

TEST(ForeignSegmentTest, RefusesMemoryThatIsNotWhollyAllocated) {
  ExpectRefused(MakeMemfd(kSize, Allocated::kSparse, kAllSeals), kSize, "sparse");
  UniqueFd holed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::posix_fallocate(holed.get(), 0, kSize), 0);
  ASSERT_EQ(::fallocate(holed.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  ASSERT_EQ(::fcntl(holed.get(), F_ADD_SEALS, kAllSeals), 0);
  ExpectRefused(std::move(holed), kSize, "sparse");
}

TEST(ForeignSegmentTest, RefusesWhatIsNoMemoryAtAll) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::posix_fallocate(file.get(), 0, kSize), 0);
  ExpectRefused(std::move(file), kSize, "not a segment");
  ExpectRefused(UniqueFd(::open("/dev/zero", O_RDWR | O_CLOEXEC)), kSize, "not a segment");
  ExpectRefused(UniqueFd(::open(folder.path().c_str(), O_RDONLY | O_CLOEXEC)), kSize,
                "not a segment");
  ExpectRefused(UniqueFd(), kSize, "not a segment");
}

TEST(ForeignSegmentTest, ClosesWhatItRefuses) {
  const size_t before = OpenDescriptors();
  ExpectRefused(MakeMemfd(kSize, Allocated::kWhole, 0), kSize, "lacks seals");
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace tiffin::shm
