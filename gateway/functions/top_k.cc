#include "gateway/functions/top_k.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/functions/arguments.h"
#include "gateway/functions/elements.h"
#include "gateway/functions/highest.h"
#include "gateway/graph/rows.h"

namespace tiffin::gateway {
namespace {

constexpr std::string_view kUsage =
    "top_k(scores, k=3) takes a tensor of one dimension, of integers, fp32 or fp64, and how many "
    "of its indices to return, 1 or more";

// The indices of the scores that are numbers, the highest `k` of them sorted in front.
template <typename T>
std::vector<int64_t> Ranked(const Elements<T>& scores, int64_t k) {
  std::vector<int64_t> indices;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] == scores[i]) indices.push_back(static_cast<int64_t>(i));
  }
  const auto is_before = [&](int64_t a, int64_t b) {
    const T score_a = scores[static_cast<size_t>(a)];
    const T score_b = scores[static_cast<size_t>(b)];
    return score_a > score_b || (score_a == score_b && a < b);
  };
  const int64_t sorted = std::min(k, static_cast<int64_t>(indices.size()));
  std::partial_sort(indices.begin(), indices.begin() + sorted, indices.end(), is_before);
  return indices;
}

class TopK : public StepFunction {
 public:
  TopK(std::string name, int64_t k)
      : name_(std::move(name)), k_(k), output_(TensorType(DataType::kInt64, {k})) {}

  const ValueType& output() const override { return output_; }

  absl::StatusOr<Value> Run(std::span<const Value> inputs,
                            const FunctionContext& /*context*/) const override {
    ASSIGN_OR_RETURN(const RowReader reader, RowReader::Create(inputs[0]));
    std::vector<int64_t> indices;
    for (int64_t row = 0; row < reader.rows(); ++row) {
      ASSIGN_OR_RETURN(const std::vector<int64_t> best, BestOf(reader.View(row)));
      indices.insert(indices.end(), best.begin(), best.end());
    }
    return NumbersValue(DataType::kInt64, {reader.rows(), k_}, indices);
  }

 private:
  absl::StatusOr<std::vector<int64_t>> BestOf(const TensorView& row) const {
    using Indices = absl::StatusOr<std::vector<int64_t>>;
    ASSIGN_OR_RETURN(std::vector<int64_t> ranked,
                     VisitNumber(row.dtype, [&]<typename T>(std::type_identity<T>) -> Indices {
                       return Ranked(Elements<T>(row.bytes), k_);
                     }));
    if (static_cast<int64_t>(ranked.size()) < k_) {
      return absl::InvalidArgumentError(StrCat("k=", k_, " is more than the ", ranked.size(),
                                               " numbers among the ", row.shape.front(),
                                               " scores of ", name_));
    }
    ranked.resize(static_cast<size_t>(k_));
    return ranked;
  }

  const std::string name_;  // Of the scores.
  const int64_t k_;
  const ValueType output_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StepFunction>> MakeTopK(
    std::span<const FunctionArgument> arguments) {
  if (arguments.size() != 2 || !IsScores(arguments[0]) || arguments[1].keyword != "k") {
    return UsageError(kUsage, arguments);
  }
  const auto* k = LiteralOf<int64_t>(arguments[1]);
  if (k == nullptr || *k < 1) return UsageError(kUsage, arguments);
  const int64_t scores = arguments[0].type->shape.front();
  if (scores != -1 && *k > scores) {
    return absl::InvalidArgumentError(StrCat("k=", *k, " is more than the ", scores, " scores of ",
                                             arguments[0].origin, "; write 1 to ", scores));
  }
  return std::make_unique<TopK>(arguments[0].origin, *k);
}

}  // namespace tiffin::gateway
