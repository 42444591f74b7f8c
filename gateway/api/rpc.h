#pragma once

#include "common/async/rpc.h"
