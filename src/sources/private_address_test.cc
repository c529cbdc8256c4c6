// SPDX-License-Identifier: Apache-2.0
#include "sources/private_address.h"

#include <gtest/gtest.h>

namespace tidewatch {
namespace {

TEST(PrivateAddress, KnowsWhatOnlyThisNetworkReaches) {
  for (const char* address : {"0.0.0.0",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.1",
                              "100.127.255.255",
                              "127.0.0.1",
                              "127.255.0.9",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.8",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.19.0.1",
                              "198.51.100.7",
                              "203.0.113.255",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "fe80::1%eth0",
                              "febf::1",
                              "ff02::1",
                              "::ffff:10.0.0.1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::808:808",
                              "2002:c0a8:101::",
                              "100::1",
                              "2001::1",
                              "2001:1ff:ffff::1",
                              "2001:db8::1",
                              "not an address",
                              ""}) {
    EXPECT_TRUE(is_private_address(address)) << address;
  }
}

TEST(PrivateAddress, KnowsWhatAnyoneReaches) {
  for (const char* address : {"1.1.1.1",          "9.255.255.255",        "11.0.0.1",
                              "100.63.255.255",   "100.128.0.1",          "126.0.0.1",
                              "128.0.0.1",        "169.253.0.1",          "172.15.0.1",
                              "172.32.0.1",       "192.167.0.1",          "192.169.0.1",
                              "198.17.0.1",       "198.20.0.1",           "223.255.255.255",
                              "192.0.1.1",        "198.51.101.1",         "203.0.112.1",
                              "100:0:0:1::1",     "2001:200::1",          "2001:db9::1",
                              "2606:4700::1111",  "2001:4860:4860::8888", "::ffff:8.8.8.8",
                              "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_FALSE(is_private_address(address)) << address;
  }
}

}  // namespace
}  // namespace tidewatch
