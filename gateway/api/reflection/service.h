#pragma once

#include <cstddef>
#include <list>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gateway/api/rpc.h"
#include "google/protobuf/descriptor.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpcpp/support/byte_buffer.h"

namespace tiffin::gateway::reflection {

// grpc.reflection.v1 and v1alpha: describes the services that the server has, whether compiled in
// or made at run time. On the loop's thread; outlives its RPCs.
class ReflectionService : public RpcService {
 public:
  // `services`: full names; reflection's own are added. `pool` describes them and outlives this.
  ReflectionService(const google::protobuf::DescriptorPool& pool,
                    std::vector<std::string> services);
  ReflectionService(const ReflectionService&) = delete;
  ReflectionService& operator=(const ReflectionService&) = delete;

  bool Start(Rpc& rpc) override;
  size_t streams() const { return streams_.size(); }

 private:
  struct Stream {
    Rpc& rpc;
    // Files that this client has got. Dependencies are sent once; what it asks for, always.
    std::set<const google::protobuf::FileDescriptor*> sent;
  };
  using StreamHandle = std::list<Stream>::iterator;

  void ReadNext(StreamHandle stream);
  void Answer(StreamHandle stream, const grpc::ByteBuffer& message);
  void End(StreamHandle stream, absl::Status status);
  grpc::reflection::v1::ServerReflectionResponse Respond(
      const grpc::reflection::v1::ServerReflectionRequest& request, Stream& stream) const;
  const google::protobuf::FileDescriptor* FindFile(
      const grpc::reflection::v1::ServerReflectionRequest& request) const;

  // Lies on the pool that was given, and adds the file of v1alpha, which differs from v1's in the
  // package only.
  google::protobuf::DescriptorPool pool_;
  std::vector<std::string> services_;  // Sorted.
  std::list<Stream> streams_;
};

}  // namespace tiffin::gateway::reflection
