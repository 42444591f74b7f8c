#include "gateway/monitor/record.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "common/model/digest.h"
#include "common/strings.h"
#include "gateway/api/json_tensor.h"
#include "gateway/api/text.h"
#include "nlohmann/json.hpp"

namespace tiffin::gateway {
namespace {

std::string JsonText(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false,
                                   nlohmann::json::error_handler_t::replace);
}

std::string DigestJson(std::string_view bytes, bool payloads) {
  std::string json =
      StrCat("{\"size\":", bytes.size(), ",\"sha256\":\"", model::Sha256Hex(bytes), "\"");
  if (payloads) json += StrCat(",\"base64\":\"", absl::Base64Escape(ToAbsl(bytes)), "\"");
  return StrCat(json, "}");
}

std::string ElementJson(std::string_view element, ValueKind kind, bool payloads) {
  switch (kind) {
    case ValueKind::kText:
      return JsonText(BoundedUtf8(element, kMaxRecordedText));
    case ValueKind::kJson: {
      // Whole, or as the text that its beginning is.
      if (element.size() > kMaxRecordedText || !nlohmann::json::accept(element)) {
        return JsonText(BoundedUtf8(element, kMaxRecordedText));
      }
      // On one line: what would end it can only be space between JSON's parts.
      std::string json(element);
      std::replace_if(
          json.begin(), json.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
      return json;
    }
    default:
      return DigestJson(element, payloads);
  }
}

std::string ElementsJson(const DataRecord::Value& value, bool has_rows, bool payloads) {
  const auto elements = ParseBytesElements(AsBytes(value.bytes));
  if (!elements.ok() || elements->empty()) return "null";
  if (value.type.kind != ValueKind::kTensor && !has_rows) {
    return ElementJson(elements->front(), value.type.kind, payloads);
  }
  std::string json = "[";
  const size_t count = std::min<size_t>(elements->size(), kMaxRecordedElements);
  for (size_t i = 0; i < count; ++i) {
    json += StrCat(i == 0 ? "" : ",", ElementJson((*elements)[i], value.type.kind, payloads));
  }
  return StrCat(json, "]");
}

std::string NumbersJson(const DataRecord::Value& value, bool has_rows) {
  // A client without rows sees none.
  std::span<const int64_t> shape = value.shape;
  if (!has_rows && !shape.empty()) shape = shape.subspan(1);
  const auto have = static_cast<int64_t>(value.bytes.size() / ElementSize(value.dtype));
  const absl::StatusOr<int64_t> count = ElementCount(value.shape);
  const bool whole = count.ok() && *count == have;
  std::string json;
  const TensorView view{.dtype = value.dtype,
                        .shape = whole ? Shape(shape.begin(), shape.end()) : Shape{have},
                        .bytes = AsBytes(value.bytes)};
  const bool appended = AppendTensorJson(view, BytesForm::kBase64, json).ok();
  if (appended && whole) return json;
  std::string described = StrCat("{\"dtype\":\"", ToLower(DataTypeName(value.dtype)),
                                 "\",\"shape\":", ShapeToString(shape));
  if (appended) described += StrCat(",\"first\":", json);
  return StrCat(described, "}");
}

std::string ValueJson(const DataRecord::Value& value, const DataRecord& record) {
  return value.dtype == DataType::kBytes ? ElementsJson(value, record.has_rows, record.payloads)
                                         : NumbersJson(value, record.has_rows);
}

// What is kept of a value, where it lies.
std::string_view KeptBytes(const Value& value) {
  const absl::StatusOr<TensorView> view = value.View();
  if (!view.ok()) return "";
  const std::string_view bytes = AsStringView(view->bytes);
  return value.dtype == DataType::kBytes
             ? bytes
             : bytes.substr(0, kMaxRecordedElements * ElementSize(value.dtype));
}

}  // namespace

uint64_t RecordSize(const Execution::Monitored& monitored) {
  uint64_t size = sizeof(DataRecord);
  for (const Value& value : monitored.values) {
    size += sizeof(DataRecord::Value) + KeptBytes(value).size();
  }
  for (const std::string& record : monitored.records) size += record.size();
  return size;
}

DataRecord RecordOf(const Execution& execution, Execution::Monitored monitored) {
  const PlannedApi& api = execution.plan();
  const PlannedMonitor& monitor = *api.monitor;
  DataRecord record{.time = absl::Now(),
                    .file = monitor.config.file,
                    .service = api.service,
                    .api = api.name,
                    .request_id = execution.options().request_id,
                    .trace = execution.options().trace,
                    .has_rows = api.has_rows,
                    .payloads = monitor.config.payloads,
                    .values = {},
                    .records = std::move(monitored.records)};
  for (size_t i = 0; i < monitored.values.size(); ++i) {
    const Value& value = monitored.values[i];
    record.values.push_back({.name = monitor.values[i].name,
                             .type = monitor.values[i].type,
                             .dtype = value.dtype,
                             .shape = value.shape,
                             .bytes = std::string(KeptBytes(value))});
  }
  return record;
}

std::string ToJson(const DataRecord& record) {
  std::string json =
      StrCat("{\"time\":\"",
             ToStd(absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", record.time, absl::UTCTimeZone())),
             "\",\"request_id\":", JsonText(record.request_id), ",\"trace_id\":\"",
             TraceIdText(record.trace), "\",\"service\":\"", record.service, "\",\"api\":\"",
             record.api, "\",\"values\":{");
  for (size_t i = 0; i < record.values.size(); ++i) {
    json += StrCat(i == 0 ? "\"" : ",\"", record.values[i].name,
                   "\":", ValueJson(record.values[i], record));
  }
  json += "}";
  if (!record.records.empty()) {
    json += ",\"records\":[";
    for (size_t i = 0; i < record.records.size(); ++i) {
      json += StrCat(i == 0 ? "" : ",", record.records[i]);
    }
    json += "]";
  }
  return json + "}";
}

}  // namespace tiffin::gateway
