#include "worker/python/call.h"

#include <pybind11/stl.h>

#include <limits>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "common/log/request_fields.h"
#include "common/strings.h"
#include "nlohmann/json.hpp"
#include "worker/python/interpreter.h"

namespace tiffin::worker {
namespace {

// A line of the log; `fields` is an object in JSON. Python's code and its threads say it.
void Say(const std::string& level_name, const std::string& event, const std::string& fields,
         const Call* call) {
  const log::Level level = log::ParseLevel(level_name).value_or(log::Level::kInfo);
  if (!IsRuntimeThere() || !log::Enabled(level)) return;
  log::Fields line = call == nullptr ? log::Fields() : call->Fields();
  const auto json = nlohmann::json::parse(fields, /*cb=*/nullptr, /*allow_exceptions=*/false);
  for (const auto& [key, value] : json.items()) line.Add({key, value});
  log::Record(level, event, line);
}

}  // namespace

void Call::End() {
  invocation_ = nullptr;
  results_ = nullptr;
}

std::vector<std::string> Call::request_ids() const {
  std::vector<std::string> ids;
  if (invocation_ == nullptr) return ids;
  for (CallOrigin& origin : invocation_->origins()) ids.push_back(std::move(origin.request_id));
  return ids;
}

double Call::time_left() const {
  return invocation_ == nullptr ? 0 : absl::ToDoubleSeconds(invocation_->time_left());
}

py::object Call::Empty(const py::tuple& shape, const py::object& dtype,
                       const std::optional<std::string>& output) {
  if (results_ == nullptr) {
    throw py::value_error("tiffin.empty: the call is over, and has no outputs any more");
  }
  return results_->Empty(shape, dtype, output);
}

log::Fields Call::Fields() const {
  if (invocation_ == nullptr) return {};
  const std::vector<CallOrigin> origins = invocation_->origins();
  log::Fields fields;
  if (origins.size() == 1) {
    fields = log::RequestFields(origins[0].request_id, origins[0].trace);
  } else if (!origins.empty()) {
    fields.Add({"request_ids", nlohmann::json(request_ids())});
  }
  fields.Add({"method", invocation_->method});
  return fields;
}

void LinkModule() {}

}  // namespace tiffin::worker

PYBIND11_EMBEDDED_MODULE(_tiffin, module) {
  using tiffin::worker::Call;
  module.def("log", &tiffin::worker::Say);
  pybind11::class_<Call, std::shared_ptr<Call>>(module, "Call")
      .def("request_ids", &Call::request_ids)
      .def("rows", &Call::rows)
      .def("time_left", &Call::time_left)
      .def("cancelled", &Call::cancelled)
      .def("empty", &Call::Empty);
}
