#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/shm/segment.h"
#include "gtest/gtest.h"
#include "tests/unit/common/temporary_folder.h"
#include "tests/unit/worker/runtime/controlled_backend.h"
#include "tests/unit/worker/runtime/in_process_worker.h"
#include "tests/unit/worker/runtime/raw_gateway.h"

// Sessions as a gateway meets them.
namespace tiffin::worker {

inline constexpr uint64_t kSegmentSize = 1 << 16;
inline constexpr uint32_t kUint8 = static_cast<uint32_t>(DataType::kUint8);

inline v1::Frame ExecuteFrame(uint64_t call) {
  v1::Frame frame;
  v1::Execute& execute = *frame.mutable_execute();
  execute.set_call(call);
  execute.set_method("run");
  execute.set_rows(1);
  execute.set_time_left_us(60'000'000);
  return frame;
}

inline v1::Frame ExecuteInline(uint64_t call, const std::string& bytes) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(bytes.size()));
  input.set_inline_bytes(bytes);
  return frame;
}

inline v1::Frame ExecuteReference(uint64_t call, uint64_t segment, uint64_t offset, uint64_t size) {
  v1::Frame frame = ExecuteFrame(call);
  v1::Tensor& input = *frame.mutable_execute()->add_inputs();
  input.set_dtype(kUint8);
  input.add_shape(static_cast<int64_t>(size));
  input.set_segment(segment);
  input.set_offset(offset);
  input.set_size(size);
  return frame;
}

inline v1::Frame CancelFrame(uint64_t call) {
  v1::Frame frame;
  frame.mutable_cancel()->set_call(call);
  return frame;
}

// The parameter is what call frames travel on: all tests are for both carriers.
class SessionTest : public ::testing::TestWithParam<Carrier> {
 protected:
  SessionTest() {
    auto segment = shm::OwnedSegment::Create(kSegmentSize);
    EXPECT_TRUE(segment.ok()) << segment.status();
    segment_.emplace(*std::move(segment));
    std::fill(segment_->bytes().begin(), segment_->bytes().end(), std::byte{'g'});
  }
  ~SessionTest() override { gate_->Open(); }

  void ExpectStillServing(RawGateway& gateway) {
    gateway.Send(ExecuteInline(77, "after"));
    const v1::Result result = gateway.NextResult();
    EXPECT_EQ(result.call(), 77U);
    EXPECT_EQ(result.code(), 0U) << result.message();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/w";
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // Shared with the backend.
  ControlledBackend backend_{BytesSignature(), Identity};
  InProcessWorker worker_{path_, backend_};
  std::optional<shm::OwnedSegment> segment_;
};

// For INSTANTIATE_TEST_SUITE_P.
inline const auto kCarriers = ::testing::Values(Carrier::kExpress, Carrier::kStream);
inline std::string CarrierName(const ::testing::TestParamInfo<Carrier>& info) {
  return info.param == Carrier::kExpress ? "Express" : "Stream";
}

}  // namespace tiffin::worker
