#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/diagnostics.h"
#include "google/protobuf/descriptor.h"

namespace tiffin::gateway::typed {

// A .proto file that somebody may have written by hand: parsed and checked as protoc would, on top
// of the types that are compiled in (it can import those, and nothing else).
class ContractFile {
 public:
  // Null if it is no valid proto3 file; what is wrong goes to `diagnostics`. `name`: as importers
  // would call it.
  static std::unique_ptr<ContractFile> Parse(std::string_view text, const std::string& name,
                                             config::Diagnostics& diagnostics);
  ContractFile(const ContractFile&) = delete;
  ContractFile& operator=(const ContractFile&) = delete;

  const google::protobuf::FileDescriptor& descriptor() const { return *descriptor_; }
  // Where a message, a field, a service or a method is written; `element` is of this file.
  template <typename Element>
  config::Location LocationOf(const Element& element) const {
    google::protobuf::SourceLocation location;
    return element.GetSourceLocation(&location) ? StartOf(location) : config::Location{};
  }
  // The same for anything else: `path` are the field numbers and indices that lead to it.
  config::Location LocationAt(const std::vector<int>& path) const;

 private:
  ContractFile();
  static config::Location StartOf(const google::protobuf::SourceLocation& location);

  google::protobuf::DescriptorPool pool_;
  const google::protobuf::FileDescriptor* descriptor_ = nullptr;  // In the pool.
};

}  // namespace tiffin::gateway::typed
