#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/signature.h"
#include "common/tensor.h"
#include "common/trace_context.h"
#include "gateway/graph/execution.h"
#include "gateway/graph/plan.h"

namespace tiffin::gateway {

// How much of a value is written down at most.
inline constexpr int64_t kMaxRecordedElements = 1000;
inline constexpr size_t kMaxRecordedText = 4096;

// What is written down of a request. Copies: nothing of the request is kept for it.
struct DataRecord {
  struct Value {
    std::string name;
    ValueType type;
    DataType dtype = DataType::kInvalid;
    Shape shape;        // Rows first.
    std::string bytes;  // Of numbers, no more than are written down.
  };

  absl::Time time;  // absl::Now()
  std::string file;
  std::string service;
  std::string api;
  std::string request_id;
  TraceContext trace;
  bool has_rows = false;
  bool payloads = false;
  std::vector<Value> values;
  std::vector<std::string> records;  // Of functions: JSON objects.
};

// The bytes that a record of these takes. Copies nothing.
uint64_t RecordSize(const Execution::Monitored& monitored);

// Of a request that has ended well, and what was taken from it. On the loop's thread.
DataRecord RecordOf(const Execution& execution, Execution::Monitored monitored);

// One line of JSON, without its end.
std::string ToJson(const DataRecord& record);

}  // namespace tiffin::gateway
