// The reference of the benchmark: a bare gRPC server that answers with the payload it was sent.

#include <pthread.h>
#include <signal.h>

#include <iostream>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "echo.grpc.pb.h"
#include "grpcpp/grpcpp.h"

namespace tiffin::bench {
namespace {

constexpr int kMaxMessageBytes = 256 << 20;

class EchoService final : public Echo::CallbackService {
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoMessage* request,
                                 EchoMessage* reply) override {
    reply->set_payload(request->payload());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Until SIGTERM or SIGINT.
int Serve(const std::string& address) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // Before any thread starts.

  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) {
    std::cerr << "bench-echo-server: cannot listen on " << address << "; give --address another one"
              << std::endl;
    return 1;
  }
  const bool is_unix = address.starts_with("unix:");
  const std::string host = address.substr(0, address.rfind(':'));
  std::cerr << "serving on " << (is_unix ? address : host + ":" + std::to_string(port))
            << std::endl;
  int signal = 0;
  sigwait(&ends, &signal);
  server->Shutdown();
  return 0;
}

}  // namespace
}  // namespace tiffin::bench

int main(int argc, char** argv) {
  CLI::App app{"A bare gRPC server that answers with the payload it was sent.",
               "bench-echo-server"};
  std::string address = "127.0.0.1:0";
  app.add_option("--address", address, "HOST:PORT (port 0 picks one) or unix:PATH")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return tiffin::bench::Serve(address);
}
