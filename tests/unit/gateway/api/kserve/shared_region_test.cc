#include "gateway/api/kserve/shared_region.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <limits>
#include <thread>
#include <vector>

#include "common/strings.h"
#include "common/tensor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/kserve/shared_files.h"

namespace tiffin::gateway::kserve {
namespace {

using ::testing::HasSubstr;
using testing::OpenDescriptors;
using testing::SharedFiles;

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

class SharedRegionTest : public ::testing::Test {
 protected:
  SharedRegionTest() { files_.Write("file", "0123456789"); }

  absl::StatusOr<SharedRegion> Open(std::string key, uint64_t offset = 0, uint64_t byte_size = 10) {
    return SharedRegion::Open(
        files_.descriptor(),
        {.name = "region", .key = std::move(key), .offset = offset, .byte_size = byte_size});
  }
  absl::Status Refused(std::string key, uint64_t offset = 0, uint64_t byte_size = 10) {
    return Open(std::move(key), offset, byte_size).status();
  }
  static absl::StatusOr<std::string> Read(const SharedRegion& region, uint64_t offset,
                                          size_t size) {
    std::string bytes(size, '?');
    const absl::Status read =
        region.Read(offset, std::as_writable_bytes(std::span(bytes.data(), bytes.size())));
    if (!read.ok()) return read;
    return bytes;
  }

  SharedFiles files_;
};

TEST_F(SharedRegionTest, ReadsAndWritesItsPartOfTheFile) {
  const auto region = Open("/file", 2, 6);
  ASSERT_TRUE(region.ok()) << region.status();
  EXPECT_EQ(*Read(*region, 0, 6), "234567");
  EXPECT_EQ(*Read(*region, 5, 1), "7");
  EXPECT_EQ(*Read(*region, 5, 0), "");
  EXPECT_TRUE(region->Write(1, AsBytes("abc")).ok());
  EXPECT_EQ(files_.Read("file"), "012abc6789");
  EXPECT_EQ(*Read(*region, 0, 6), "2abc67");
}

TEST_F(SharedRegionTest, TheSlashInFrontIsNotNeeded) { EXPECT_TRUE(Open("file").ok()); }

TEST_F(SharedRegionTest, NothingOutsideTheFolderCanBeNamed) {
  std::filesystem::create_directory(files_.PathOf("folder"));
  files_.Write("folder/inside", "0123456789");
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("//file"), std::string("."), std::string(".."),
        std::string("/.."), std::string("../file"), std::string("/../etc/passwd"),
        std::string("folder/inside"), std::string("/folder/../file"), std::string("file/"),
        std::string("/dev/shm/file"), std::string("file\0", 5), std::string("/file\0x", 7),
        std::string("\0", 1), std::string(256, 'a')}) {
    const absl::Status refused = Refused(key);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << key << refused;
    EXPECT_THAT(Message(refused), HasSubstr("must be the name of a file in /dev/shm")) << key;
  }
}

TEST_F(SharedRegionTest, ItsNameIsBounded) {
  const auto named = [&](std::string name) {
    return SharedRegion::Open(files_.descriptor(),
                              {.name = std::move(name), .key = "file", .offset = 0, .byte_size = 1})
        .status();
  };
  EXPECT_TRUE(named(std::string(256, 'n')).ok());
  for (const absl::Status& refused :
       {named(""), named(std::string(257, 'n')), named(std::string("a\0b", 3))}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(refused), HasSubstr("a region's name has 1 to 256 bytes"));
  }
}

TEST_F(SharedRegionTest, AFileThatIsNotThereIsNotFound) {
  EXPECT_EQ(Refused("/nobody"),
            absl::NotFoundError("Unable to open shared memory region: '/nobody': there is no such "
                                "file in the server's /dev/shm; create it first"));
}

TEST_F(SharedRegionTest, LinksAreNotFollowed) {
  std::filesystem::create_symlink(files_.PathOf("file"), files_.PathOf("link"));
  std::filesystem::create_symlink("/etc/passwd", files_.PathOf("passwd"));
  for (const char* key : {"/link", "/passwd"}) {
    EXPECT_EQ(Refused(key).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(Refused(key)), HasSubstr("it is a symbolic link"));
  }
}

TEST_F(SharedRegionTest, OnlyRegularFilesAreTaken) {
  std::filesystem::create_directory(files_.PathOf("folder"));
  ASSERT_EQ(::mkfifo(files_.PathOf("pipe").c_str(), 0600), 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  files_.PathOf("socket").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  for (const char* key : {"/folder", "/pipe", "/socket"}) {
    EXPECT_EQ(Refused(key).code(), absl::StatusCode::kInvalidArgument) << key;
    EXPECT_THAT(Message(Refused(key)), HasSubstr("it is no regular file")) << key;
  }
}

// Without O_NONBLOCK the kernel would wait for the holder, by default for 45 s.
TEST_F(SharedRegionTest, AFileWithALeaseIsNotWaitedFor) {
  const UniqueFd holder(::open(files_.PathOf("file").c_str(), O_RDWR | O_CLOEXEC));
  if (::fcntl(holder.get(), F_SETLEASE, F_WRLCK) != 0) GTEST_SKIP() << "no leases here";
  ASSERT_EQ(::fcntl(holder.get(), F_SETSIG, SIGWINCH), 0);  // Which is ignored.
  const absl::Status refused = Refused("/file");
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(refused), HasSubstr("a lease on it"));
}

TEST_F(SharedRegionTest, TheFileMustHaveAllOfIt) {
  EXPECT_TRUE(Open("/file", 9, 1).ok());
  for (const auto& [offset, byte_size] :
       std::vector<std::pair<uint64_t, uint64_t>>{{0, 11},
                                                  {1, 10},
                                                  {10, 1},
                                                  {11, 1},
                                                  {kMax, 1},
                                                  {1, kMax},
                                                  {kMax, kMax},
                                                  {kMax - 5, 10}}) {
    const absl::Status refused = Refused("/file", offset, byte_size);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(refused), HasSubstr("invalid args")) << offset << " " << byte_size;
    EXPECT_THAT(Message(refused), HasSubstr("'/file', which has 10 bytes"));
  }
  EXPECT_THAT(Message(Refused("/file", 0, 0)), HasSubstr("its byte_size is 0"));
}

// A write past RLIMIT_FSIZE is a signal that ends the process.
TEST_F(SharedRegionTest, ItEndsBeforeTheLimitOnFiles) {
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {.rlim_cur = 5, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status within = Open("/file", 0, 5).status();
  const absl::Status refused = Refused("/file", 0, 6);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(within.ok()) << within;
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(refused), HasSubstr("the server's limit on files is lower"));
}

TEST_F(SharedRegionTest, RangesAreThoseOfTheRegion) {
  const auto region = Open("/file", 2, 6);
  ASSERT_TRUE(region.ok());
  for (const uint64_t offset : {uint64_t{6}, uint64_t{7}, kMax}) {
    EXPECT_THAT(Message(region->CheckRange(offset, 1)),
                HasSubstr("Invalid offset for shared memory region: 'region'"));
  }
  for (const uint64_t size : {uint64_t{6}, kMax, kMax - 1}) {
    EXPECT_THAT(Message(region->CheckRange(1, size)),
                HasSubstr("Invalid offset + byte size for shared memory region: 'region'"));
  }
  // The file has them, the region hasn't.
  EXPECT_EQ(Read(*region, 0, 7).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(region->Write(5, AsBytes("ab")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(files_.Read("file"), "0123456789");
}

TEST_F(SharedRegionTest, AFileThatWasCutIsAnErrorAndDoesNotGrow) {
  const auto region = Open("/file");
  ASSERT_TRUE(region.ok());
  files_.Resize("file", 4);
  EXPECT_EQ(*Read(*region, 0, 4), "0123");
  EXPECT_EQ(Read(*region, 0, 5).status(),
            absl::InvalidArgumentError("shared memory region 'region': the file '/file' has become "
                                       "too short for it; keep its size while it is registered"));
  EXPECT_EQ(region->Write(0, AsBytes("abcde")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(region->Write(8, AsBytes("a")).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(files_.Read("file"), "0123");
  EXPECT_TRUE(region->Write(0, AsBytes("abcd")).ok());
  EXPECT_EQ(files_.Read("file"), "abcd");
}

TEST_F(SharedRegionTest, AnUnlinkedFileIsStillThere) {
  const auto region = Open("/file");
  ASSERT_TRUE(region.ok());
  files_.Remove("file");
  EXPECT_TRUE(region->Write(0, AsBytes("abc")).ok());
  EXPECT_EQ(*Read(*region, 0, 10), "abc3456789");
  EXPECT_FALSE(std::filesystem::exists(files_.PathOf("file")));
}

TEST_F(SharedRegionTest, LargeTensorsGoInPieces) {
  constexpr size_t kSize = (size_t{5} << 20) + 7;
  files_.Write("large", "");
  files_.Resize("large", kSize + 3);
  const auto region = Open("/large", 3, kSize);
  ASSERT_TRUE(region.ok());
  std::string bytes(kSize, '\0');
  for (size_t i = 0; i < kSize; ++i) bytes[i] = static_cast<char>(i % 251);
  ASSERT_TRUE(region->Write(0, AsBytes(bytes)).ok());
  EXPECT_EQ(*Read(*region, 0, kSize), bytes);
  EXPECT_EQ(files_.Read("large"), std::string(3, '\0') + bytes);
}

// A client that cuts and restores its file all the time gets errors or its bytes, nothing else.
TEST_F(SharedRegionTest, CuttingWhileItIsUsedHarmsNobody) {
  constexpr size_t kSize = size_t{3} << 20;
  files_.Write("cut", "");
  files_.Resize("cut", kSize);
  const auto region = Open("/cut", 0, kSize);
  ASSERT_TRUE(region.ok());
  const std::string bytes(kSize, 'x');
  std::atomic<bool> done = false;
  std::thread client([&] {
    while (!done) {
      files_.Resize("cut", 0);
      files_.Resize("cut", kSize);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const absl::Status written = region->Write(0, AsBytes(bytes));
    EXPECT_TRUE(written.ok() || written.code() == absl::StatusCode::kInvalidArgument) << written;
    const absl::Status read = Read(*region, 0, kSize).status();
    EXPECT_TRUE(read.ok() || read.code() == absl::StatusCode::kInvalidArgument) << read;
    EXPECT_LE(std::filesystem::file_size(files_.PathOf("cut")), kSize);
  }
  done = true;
  client.join();
}

// The file is larger than what is there of its file system, as sparse ones may be.
TEST_F(SharedRegionTest, WithoutRoomAWriteIsAnError) {
  std::filesystem::create_directory(files_.PathOf("small"));
  bool mounted = false;
  absl::Status written;
  // A thread with mounts of its own, which end with it.
  std::thread([&] {
    mounted = ::unshare(CLONE_NEWNS) == 0 &&
              ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              ::mount("tmpfs", files_.PathOf("small").c_str(), "tmpfs", 0, "size=1m") == 0;
    if (!mounted) return;
    files_.Write("small/file", "");
    files_.Resize("small/file", 4 << 20);
    const UniqueFd folder(::open(files_.PathOf("small").c_str(), O_PATH | O_CLOEXEC));
    const auto region = SharedRegion::Open(
        folder.get(), {.name = "region", .key = "file", .offset = 0, .byte_size = 4 << 20});
    written = region->Write(0, AsBytes(std::string(4 << 20, 'x')));
  }).join();
  if (!mounted) GTEST_SKIP() << "only root can mount";
  EXPECT_EQ(written.code(), absl::StatusCode::kResourceExhausted) << written;
  EXPECT_THAT(Message(written), HasSubstr("writing to 'file'"));
}

TEST_F(SharedRegionTest, WhatIsRefusedLeavesNoDescriptor) {
  ASSERT_EQ(::mkfifo(files_.PathOf("pipe").c_str(), 0600), 0);
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(Refused("/file", 0, 11).ok());
    EXPECT_FALSE(Refused("/pipe").ok());
    EXPECT_FALSE(Refused("/nobody").ok());
  }
  EXPECT_EQ(OpenDescriptors(), before);
  {
    const auto region = Open("/file");
    EXPECT_EQ(OpenDescriptors(), before + 1);
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
