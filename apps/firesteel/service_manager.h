// What a service manager wants to hear (sd_notify's protocol: a datagram to $NOTIFY_SOCKET). Nothing happens without one.
#pragma once

#include <cstdint>

namespace firesteel {

void notify_service_manager(const char* state);  // "READY=1", "STOPPING=1", "WATCHDOG=1"
int64_t watchdog_period_us();                    // half of $WATCHDOG_USEC; 0: no watchdog

}  // namespace firesteel
