// SPDX-License-Identifier: Apache-2.0
#include "sources/http_fetch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>

#include "core/mutex.h"

namespace tidewatch {
namespace {

namespace net = boost::asio;
using net::ip::tcp;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kPublic = "127.0.0.1";
constexpr const char* kPrivate = "127.0.0.2";
bool is_private_here(std::string_view address) { return address == kPrivate; }

// A server of one connection after the other, each kept open; it answers by path.
class Site {
 public:
  explicit Site(const char* address)
      : acceptor_(io_, {net::ip::make_address(address), 0}),
        url_("http://" + std::string(address) + ":" +
             std::to_string(acceptor_.local_endpoint().port())),
        thread_([this] { serve(); }) {}
  ~Site() {
    {
      const MutexLock lock(mu_);
      stopping_ = true;
      boost::system::error_code ignored;
      if (open_ != nullptr) open_->shutdown(tcp::socket::shutdown_both, ignored);
    }
    net::io_context io;
    tcp::socket wake(io);
    boost::system::error_code ignored;
    wake.connect(acceptor_.local_endpoint(), ignored);
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  std::string url(const std::string& path) const { return url_ + path; }
  void redirect(const std::string& path, const std::string& to) {
    const MutexLock lock(mu_);
    redirects_[path] = to;
  }
  std::vector<std::string> asked() const {
    const MutexLock lock(mu_);
    return asked_;
  }

 private:
  void serve() {
    while (true) {
      tcp::socket socket(io_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      {
        const MutexLock lock(mu_);
        if (error || stopping_) return;
        open_ = &socket;
      }
      while (answer(socket)) {
      }
      const MutexLock lock(mu_);
      open_ = nullptr;
      if (stopping_) return;
    }
  }
  bool answer(tcp::socket& socket) {
    boost::system::error_code error;
    std::string request;
    net::read_until(socket, net::dynamic_buffer(request), "\r\n\r\n", error);
    if (error) return false;
    const std::size_t path = request.find(' ') + 1;
    net::write(socket, net::buffer(reply(request.substr(path, request.find(' ', path) - path))),
               error);
    return !error;
  }
  std::string reply(const std::string& path) {
    const MutexLock lock(mu_);
    asked_.push_back(path);
    const auto to = redirects_.find(path);
    return to == redirects_.end()
               ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nposts"
               : "HTTP/1.1 302 Found\r\nLocation: " + to->second + "\r\nContent-Length: 0\r\n\r\n";
  }

  net::io_context io_;
  tcp::acceptor acceptor_;
  const std::string url_;
  mutable Mutex mu_;
  bool stopping_ GUARDED_BY(mu_) = false;
  tcp::socket* open_ GUARDED_BY(mu_) = nullptr;
  std::map<std::string, std::string> redirects_ GUARDED_BY(mu_);
  std::vector<std::string> asked_ GUARDED_BY(mu_);
  std::jthread thread_;
};

class HttpFetchTest : public testing::Test {
 protected:
  Result<HttpReply> get(const std::string& url) {
    HttpGet request;
    request.url = url;
    return fetch_->get(request, {});
  }
  void expect_refused(const std::string& url) {
    const auto reply = get(url);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, Code::kPermissionDenied);
    EXPECT_THAT(reply.error().message, HasSubstr(address_origin(url)));
    EXPECT_THAT(reply.error().message, HasSubstr("the private address 127.0.0.2"));
    EXPECT_THAT(reply.error().message, HasSubstr("configure the address"));
  }

  Site outside_{kPublic};
  Site elsewhere_{kPublic};
  Site inside_{kPrivate};
  std::unique_ptr<HttpFetch> fetch_ = make_http_fetch(&is_private_here);
};

TEST_F(HttpFetchTest, APublicAddressMayNotRedirectToAPrivateOne) {
  outside_.redirect("/feed", inside_.url("/admin"));
  expect_refused(outside_.url("/feed"));
  EXPECT_THAT(inside_.asked(), IsEmpty());
  EXPECT_TRUE(get(outside_.url("/other")).ok()) << "and the next request goes on";
}

TEST_F(HttpFetchTest, NorThroughAnotherPublicOne) {
  outside_.redirect("/feed", elsewhere_.url("/on"));
  elsewhere_.redirect("/on", inside_.url("/admin"));
  expect_refused(outside_.url("/feed"));
  EXPECT_THAT(inside_.asked(), IsEmpty());
}

TEST_F(HttpFetchTest, NorOverConnectionsThatAreOpenAlready) {
  ASSERT_TRUE(get(inside_.url("/own")).ok());
  ASSERT_TRUE(get(outside_.url("/first")).ok());
  outside_.redirect("/feed", inside_.url("/admin"));
  expect_refused(outside_.url("/feed"));
  EXPECT_THAT(inside_.asked(), ElementsAre("/own"));
}

TEST_F(HttpFetchTest, FollowsAllOtherRedirects) {
  outside_.redirect("/moved", elsewhere_.url("/feed"));
  EXPECT_TRUE(get(outside_.url("/moved")).ok());
  inside_.redirect("/moved", inside_.url("/feed"));
  inside_.redirect("/out", elsewhere_.url("/last"));
  EXPECT_TRUE(get(inside_.url("/moved")).ok()) << "a private address that was configured";
  EXPECT_TRUE(get(inside_.url("/out")).ok());
  EXPECT_THAT(elsewhere_.asked(), ElementsAre("/feed", "/last"));
  inside_.redirect("/out", outside_.url("/back"));
  outside_.redirect("/back", inside_.url("/admin"));
  expect_refused(inside_.url("/out"));
}

// A proxy is one more Site: it is asked for whole addresses and answers for them.
class HttpFetchProxyTest : public HttpFetchTest {
 protected:
  static constexpr const char* kSomewhere = "http://feeds.example/feed";

  HttpFetchProxyTest() {
    set("http_proxy", proxy_.url("").c_str());
    set("no_proxy", "127.0.0.2");
    fetch_ = make_http_fetch(&is_private_here);
  }
  ~HttpFetchProxyTest() override {
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }
  void set(const char* name, const char* value) {
    const char* const now = std::getenv(name);
    before_.emplace(name, now == nullptr ? std::nullopt : std::optional<std::string>{now});
    ::setenv(name, value, 1);
  }

  Site proxy_{kPrivate};
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(HttpFetchProxyTest, WhatAProxyFetchedMayNotRedirectToAPrivateAddressAskedWithoutIt) {
  proxy_.redirect(kSomewhere, inside_.url("/admin"));
  expect_refused(kSomewhere);
  EXPECT_THAT(proxy_.asked(), ElementsAre(kSomewhere));
  EXPECT_THAT(inside_.asked(), IsEmpty());
}

TEST_F(HttpFetchProxyTest, ItMayRedirectToWhatTheProxyFetchesToo) {
  proxy_.redirect(kSomewhere, "http://elsewhere.example/feed");
  EXPECT_TRUE(get(kSomewhere).ok()) << "though the proxy has a private address";
  EXPECT_THAT(proxy_.asked(), ElementsAre(kSomewhere, "http://elsewhere.example/feed"));
}

TEST_F(HttpFetchProxyTest, APrivateAddressAskedWithoutItMayRedirectToOthers) {
  inside_.redirect("/moved", inside_.url("/feed"));
  EXPECT_TRUE(get(inside_.url("/moved")).ok());
  EXPECT_THAT(proxy_.asked(), IsEmpty());
}

// Nothing then tells a proxy from the private address itself.
TEST_F(HttpFetchProxyTest, AProxyOnThePortOfAnAddressIsTrustedWithNothing) {
  const std::string same_port =
      "http://feeds.example" + proxy_.url("").substr(proxy_.url("").rfind(':'));
  proxy_.redirect(same_port + "/feed", inside_.url("/admin"));
  expect_refused(same_port + "/feed");
  EXPECT_THAT(inside_.asked(), IsEmpty());
}

}  // namespace
}  // namespace tidewatch
