#include "gateway/commands/gateway_main.h"

int main(int argc, char** argv) {
  return tiffin::gateway::GatewayMain(argc, argv, /*add=*/nullptr);
}
