#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/signature.h"
#include "inference/grpc_service.pb.h"

namespace tiffin::gateway::client {

// An input or an output, as a server tells of it.
struct Port {
  TensorSpec spec;        // The type of one row.
  bool has_rows = false;  // A request may have any number of rows.

  // "fp32[rows,64]", "image".
  std::string TypeText() const;
  // What metadata says of it: with a leading -1 for rows; [1] for a single value.
  Shape Pattern() const;
};

// An API, or a method of a runner.
struct Model {
  std::string name;
  std::vector<Port> inputs;
  std::vector<Port> outputs;

  // "a.b(image: image) -> (text: text)"
  std::string SignatureText() const;
  // What to say behind a `name` that none of `ports` has: the nearest one, and the signature.
  std::string Hint(std::string_view name, const std::vector<Port>& ports) const;
};

// Null: there is none.
const Port* FindPort(const std::vector<Port>& ports, std::string_view name);

// Servers that don't say what their BYTES are give bytes.
Model ModelOf(const inference::ModelMetadataResponse& metadata);

}  // namespace tiffin::gateway::client
