#include "gateway/api/kserve/shared_memory_rpcs.h"

#include <deque>

#include "common/strings.h"
#include "gateway/api/kserve/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/gateway/api/fakes.h"
#include "tests/unit/gateway/api/kserve/shared_files.h"

namespace tiffin::gateway::kserve {
namespace {

using ::testing::ElementsAre;
using testing::FakeRpc;
using testing::FakeServing;
using ::testing::HasSubstr;
using testing::SharedFiles;
using testing::TestLoop;

class SharedMemoryRpcsTest : public ::testing::Test {
 protected:
  SharedMemoryRpcsTest() { files_.Write("file", "0123456789"); }

  FakeRpc& Call(const std::string& method, const google::protobuf::Message& request) {
    rpcs_.emplace_back(loop_, "/inference.GRPCInferenceService/" + method);
    EXPECT_TRUE(service_->Start(rpcs_.back()));
    rpcs_.back().Send(request);
    loop_.Run();
    return rpcs_.back();
  }
  absl::Status Register(const std::string& name, uint64_t byte_size = 4) {
    inference::SystemSharedMemoryRegisterRequest request;
    request.set_name(name);
    request.set_key("/file");
    request.set_offset(3);
    request.set_byte_size(byte_size);
    return *Call("SystemSharedMemoryRegister", request).status;
  }
  absl::Status Unregister(const std::string& name) {
    inference::SystemSharedMemoryUnregisterRequest request;
    request.set_name(name);
    return *Call("SystemSharedMemoryUnregister", request).status;
  }
  FakeRpc& AskStatus(const std::string& name) {
    inference::SystemSharedMemoryStatusRequest request;
    request.set_name(name);
    return Call("SystemSharedMemoryStatus", request);
  }
  std::vector<std::string> Extensions() {
    const auto metadata = Call("ServerMetadata", inference::ServerMetadataRequest())
                              .Reply<inference::ServerMetadataResponse>();
    return {metadata.extensions().begin(), metadata.extensions().end()};
  }

  SharedFiles files_;
  TestLoop loop_;
  FakeServing serving_;
  std::unique_ptr<SharedMemory> memory_ = *SharedMemory::Create({.directory = files_.path()});
  std::unique_ptr<KserveService> service_ = *KserveService::Create(serving_, memory_.get());
  std::deque<FakeRpc> rpcs_;
};

TEST_F(SharedMemoryRpcsTest, StatusTellsWhatWasRegistered) {
  EXPECT_EQ(Register("a"), absl::OkStatus());
  EXPECT_EQ(Register("b", 7), absl::OkStatus());
  const auto all = AskStatus("").Reply<inference::SystemSharedMemoryStatusResponse>();
  ASSERT_EQ(all.regions_size(), 2);
  EXPECT_EQ(all.regions().at("a").name(), "a");
  EXPECT_EQ(all.regions().at("a").key(), "/file");
  EXPECT_EQ(all.regions().at("a").offset(), 3U);
  EXPECT_EQ(all.regions().at("a").byte_size(), 4U);
  const auto one = AskStatus("b").Reply<inference::SystemSharedMemoryStatusResponse>();
  ASSERT_EQ(one.regions_size(), 1);
  EXPECT_EQ(one.regions().at("b").byte_size(), 7U);
  EXPECT_EQ(
      *AskStatus("c").status,
      absl::NotFoundError("Unable to find system shared memory region: 'c'; register it first"));
}

TEST_F(SharedMemoryRpcsTest, UnregisterTakesOneOrAll) {
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(Register(name), absl::OkStatus());
  EXPECT_EQ(Unregister("a"), absl::OkStatus());
  EXPECT_EQ(Unregister("a"), absl::OkStatus());
  EXPECT_EQ(memory_->List().size(), 2U);
  EXPECT_EQ(Unregister(""), absl::OkStatus());
  EXPECT_TRUE(memory_->List().empty());
  EXPECT_TRUE(AskStatus("").Reply<inference::SystemSharedMemoryStatusResponse>().regions().empty());
}

TEST_F(SharedMemoryRpcsTest, ErrorsArePassedOn) {
  EXPECT_EQ(Register("a"), absl::OkStatus());
  EXPECT_EQ(Register("a").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Register("b", 8).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SharedMemoryRpcsTest, TheExtensionIsNamedWhereItIsOn) {
  EXPECT_THAT(Extensions(),
              ElementsAre("model_configuration", "statistics", "system_shared_memory"));
  service_ = *KserveService::Create(serving_);
  EXPECT_THAT(Extensions(), ElementsAre("model_configuration", "statistics"));
}

TEST_F(SharedMemoryRpcsTest, WhereItIsOffTheyNameTheFlag) {
  service_ = *KserveService::Create(serving_);
  for (const absl::Status& status : {Register("a"), Unregister(""), *AskStatus("").status}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(Message(status), HasSubstr("GRPCInferenceService/SystemSharedMemory"));
    EXPECT_THAT(Message(status), HasSubstr("start it with 'tiffin serve --client-shared-memory'"));
  }
}

TEST_F(SharedMemoryRpcsTest, MemoryOfGpusIsNotShared) {
  for (const char* method :
       {"CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"}) {
    const absl::Status status = *Call(method, inference::SystemSharedMemoryStatusRequest()).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(Message(status), HasSubstr(StrCat(method, ": this server takes and gives no GPU")));
  }
  EXPECT_EQ(
      Call("SystemSharedMemoryResize", inference::SystemSharedMemoryStatusRequest()).status->code(),
      absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace tiffin::gateway::kserve
