#include "worker/testing/backend.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/testing/folder_watch.h"
#include "worker/testing/options.h"

namespace tiffin::worker {
namespace {

constexpr int64_t kAddSubElements = 16;
// The period of what `produce` writes, and how many floats `consume` answers.
constexpr size_t kLanes = 64;

MethodSignature MakeMethod(const TestingOptions& options) {
  const ValueType type = TensorType(options.dtype, options.shape);
  MethodSignature method;
  method.inputs = {{"INPUT0", type}};
  method.outputs = {{"OUTPUT0", type}};
  method.retry_safe = options.retry_safe;
  method.batchable = options.batchable || options.behavior == Behavior::kIdentity;
  if (options.behavior == Behavior::kProduce) {
    method.outputs[0].type = TensorType(DataType::kFp32, {options.bytes / 4});
  }
  if (options.behavior == Behavior::kConsume) {
    method.outputs[0].type = TensorType(DataType::kFp32, {static_cast<int64_t>(kLanes)});
  }
  if (options.behavior == Behavior::kAddSub) {
    const ValueType numbers = TensorType(DataType::kInt32, {kAddSubElements});
    method.inputs = {{"INPUT0", numbers}, {"INPUT1", numbers}};
    method.outputs = {{"OUTPUT0", numbers}, {"OUTPUT1", numbers}};
    method.batchable = true;
  }
  return method;
}

template <typename T>
std::vector<std::string> Numbers(const TensorView& tensor, size_t most) {
  std::vector<std::string> texts;
  const std::span<const T> values = tensor.As<T>();
  for (size_t i = 0; i < std::min(most, values.size()); ++i) texts.push_back(StrCat(+values[i]));
  return texts;
}

// Up to `most` elements of `tensor` as text, from the first one on; none of the 16-bit floats.
std::vector<std::string> ElementTexts(const TensorView& tensor, size_t most) {
  switch (tensor.dtype) {
    case DataType::kBytes: {
      const auto elements = ParseBytesElements(tensor.bytes);
      if (!elements.ok()) return {};
      const size_t count = std::min(most, elements->size());
      return {elements->begin(), elements->begin() + static_cast<ptrdiff_t>(count)};
    }
    case DataType::kBool:
    case DataType::kUint8:
      return Numbers<uint8_t>(tensor, most);
    case DataType::kUint16:
      return Numbers<uint16_t>(tensor, most);
    case DataType::kUint32:
      return Numbers<uint32_t>(tensor, most);
    case DataType::kUint64:
      return Numbers<uint64_t>(tensor, most);
    case DataType::kInt8:
      return Numbers<int8_t>(tensor, most);
    case DataType::kInt16:
      return Numbers<int16_t>(tensor, most);
    case DataType::kInt32:
      return Numbers<int32_t>(tensor, most);
    case DataType::kInt64:
      return Numbers<int64_t>(tensor, most);
    case DataType::kFp32:
      return Numbers<float>(tensor, most);
    case DataType::kFp64:
      return Numbers<double>(tensor, most);
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInvalid:
      break;
  }
  return {};
}

absl::Status AwaitFile(const std::filesystem::path& file, std::chrono::milliseconds bound) {
  return WaitInFolder(std::filesystem::absolute(file).parent_path(), bound,
                      StrCat("the file '", file.string(), "'"), [&file] {
                        std::error_code ignored;
                        return std::filesystem::exists(file, ignored);
                      });
}

absl::Status CopyInput(const Invocation& invocation, Outputs& outputs) {
  const TensorView& input = invocation.inputs[0];
  ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                   outputs.Allocate(0, input.dtype, input.shape, input.bytes.size()));
  if (!input.bytes.empty()) std::memcpy(memory.data(), input.bytes.data(), input.bytes.size());
  return absl::OkStatus();
}

absl::Status AddAndSubtract(const Invocation& invocation, Outputs& outputs) {
  const TensorView& first = invocation.inputs[0];
  const std::span<const uint32_t> a = first.As<uint32_t>();
  const std::span<const uint32_t> b = invocation.inputs[1].As<uint32_t>();
  ASSIGN_OR_RETURN(const std::span<std::byte> sums,
                   outputs.Allocate(0, DataType::kInt32, first.shape, first.bytes.size()));
  ASSIGN_OR_RETURN(const std::span<std::byte> differences,
                   outputs.Allocate(1, DataType::kInt32, first.shape, first.bytes.size()));
  auto* sum = reinterpret_cast<uint32_t*>(sums.data());
  auto* difference = reinterpret_cast<uint32_t*>(differences.data());
  for (size_t i = 0; i < a.size(); ++i) {
    sum[i] = a[i] + b[i];
    difference[i] = a[i] - b[i];
  }
  return absl::OkStatus();
}

absl::Status Produce(const Invocation& invocation, int64_t bytes, Outputs& outputs) {
  const std::span<const std::byte> seed = invocation.inputs[0].bytes;
  std::array<float, kLanes> pattern{};
  const float first = seed.empty() ? 0.0F : static_cast<float>(seed[0]);
  for (size_t i = 0; i < kLanes; ++i) pattern[i] = first + static_cast<float>(i);
  const Shape shape = {bytes / 4};
  ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                   outputs.Allocate(0, DataType::kFp32, shape, static_cast<uint64_t>(bytes)));
  for (size_t at = 0; at < memory.size(); at += sizeof(pattern)) {
    std::memcpy(memory.data() + at, pattern.data(), std::min(sizeof(pattern), memory.size() - at));
  }
  return absl::OkStatus();
}

absl::Status Consume(const Invocation& invocation, Outputs& outputs) {
  const std::span<const float> input = invocation.inputs[0].As<float>();
  std::array<float, kLanes> sums{};
  const size_t whole = input.size() / kLanes * kLanes;
  for (size_t at = 0; at < whole; at += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += input[at + lane];
  }
  for (size_t i = whole; i < input.size(); ++i) sums[i - whole] += input[i];
  const Shape shape = {static_cast<int64_t>(kLanes)};
  ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                   outputs.Allocate(0, DataType::kFp32, shape, sizeof(sums)));
  std::memcpy(memory.data(), sums.data(), sizeof(sums));
  return absl::OkStatus();
}

class TestingBackend final : public Backend {
 public:
  explicit TestingBackend(TestingOptions options) : options_(std::move(options)) {
    for (const std::string& name : options_.methods) signature_[name] = MakeMethod(options_);
  }

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    ++executions_;
    if (!options_.journal.empty()) RETURN_IF_ERROR(WriteJournal(invocation));
    switch (options_.behavior) {
      case Behavior::kIdentity:
        return CopyInput(invocation, outputs);
      case Behavior::kAddSub:
        return AddAndSubtract(invocation, outputs);
      case Behavior::kDelay:
        RETURN_IF_ERROR(Delay());
        return CopyInput(invocation, outputs);
      case Behavior::kFail:
        RETURN_IF_ERROR(Delay());
        if ((options_.times < 0 || executions_ <= options_.times) && HasContent(invocation)) {
          return absl::Status(options_.code, "failed, as the option 'behavior' asks for");
        }
        return CopyInput(invocation, outputs);
      case Behavior::kCrash:
        RETURN_IF_ERROR(Delay());
        if (HasContent(invocation)) std::abort();
        return CopyInput(invocation, outputs);
      case Behavior::kProduce:
        return Produce(invocation, options_.bytes, outputs);
      case Behavior::kConsume:
        return Consume(invocation, outputs);
      case Behavior::kBarrier:
        RETURN_IF_ERROR(MeetOthers());
        return CopyInput(invocation, outputs);
    }
    std::abort();
  }

 private:
  // One write, so that the lines of several processes do not mix.
  absl::Status WriteJournal(const Invocation& invocation) const {
    const std::vector<std::string> first = ElementTexts(invocation.inputs[0], 1);
    const std::string line =
        StrCat(getpid(), " ", invocation.rows, " ", first.empty() ? "" : first[0], "\n");
    const int file =
        open(options_.journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const bool written =
        file >= 0 && write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    if (file >= 0) close(file);
    if (written) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat("cannot write the journal '", options_.journal.string(), "'"));
  }

  absl::Status Delay() const {
    if (options_.until.empty()) {
      std::this_thread::sleep_for(options_.ms);
      return absl::OkStatus();
    }
    return AwaitFile(options_.until, options_.ms);
  }

  // True if an element is the option `content`, and without that option.
  bool HasContent(const Invocation& invocation) const {
    if (options_.content.is_null()) return true;
    const std::string content = options_.content.is_string()
                                    ? options_.content.get<std::string>()
                                    : StrCat(options_.content.get<double>());
    for (const std::string& element : ElementTexts(invocation.inputs[0], SIZE_MAX)) {
      if (element == content) return true;
    }
    return false;
  }

  absl::Status MeetOthers() const {
    const std::string round = StrCat("-", executions_);
    const std::filesystem::path mine = options_.path / StrCat(getpid(), round);
    if (!std::ofstream(mine)) {
      return absl::FailedPreconditionError(StrCat("cannot make the file '", mine.string(), "'"));
    }
    return WaitInFolder(
        options_.path, options_.ms,
        StrCat("the parties of round ", executions_, " in '", options_.path.string(), "'"), [&] {
          int64_t present = 0;
          std::error_code ignored;
          for (const auto& entry : std::filesystem::directory_iterator(options_.path, ignored)) {
            if (entry.path().filename().string().ends_with(round)) ++present;
          }
          return present >= options_.parties;
        });
  }

  TestingOptions options_;
  Signature signature_;
  // Of this process, the present one included.
  int64_t executions_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateTestingBackend(const BackendConfig& config) {
  if (!config.model_dir.empty()) {
    return absl::InvalidArgumentError(
        "the testing backend takes no model; write `backend: testing` with its options");
  }
  ASSIGN_OR_RETURN(TestingOptions options, ParseTestingOptions(config.options));
  if (!options.load_until.empty()) {
    RETURN_IF_ERROR(AwaitFile(options.load_until, std::chrono::hours(1)));
  }
  return std::make_unique<TestingBackend>(std::move(options));
}

}  // namespace tiffin::worker
