// SPDX-License-Identifier: Apache-2.0
#include "sources/http_fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace tidewatch {
namespace {

constexpr long kRedirectsMax = 5;
constexpr int kPollMs = 1'000;

struct MultiFree {
  void operator()(CURLM* multi) const { ::curl_multi_cleanup(multi); }
};
struct EasyFree {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
};
struct ListFree {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
struct UrlFree {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};

// The port of an address; `otherwise`: it says none. 0: it is no address.
int port_of(const char* address, unsigned flags, int otherwise) {
  const std::unique_ptr<CURLU, UrlFree> url(::curl_url());
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, address, flags) != CURLUE_OK) return 0;
  char* text = nullptr;
  if (::curl_url_get(url.get(), CURLUPART_PORT, &text, flags) != CURLUE_OK) return otherwise;
  const int port = std::atoi(text);
  ::curl_free(text);
  return port;
}

// Where libcurl looks for proxies.
constexpr std::array<const char*, 5> kProxyVariables{"http_proxy", "https_proxy", "HTTPS_PROXY",
                                                     "all_proxy", "ALL_PROXY"};
constexpr int kProxyPort = 1'080;  // libcurl's, unless the address says another
constexpr int kHttpsProxyPort = 443;

std::vector<int> proxy_ports() {
  std::vector<int> ports;
  for (const char* variable : kProxyVariables) {
    const char* const address = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): read alone
    if (address == nullptr || *address == '\0') continue;
    const bool https = ::curl_strnequal(address, "https://", 8) != 0;
    ports.push_back(port_of(address, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME,
                            https ? kHttpsProxyPort : kProxyPort));
  }
  return ports;
}

// One exchange: what libcurl's callbacks fill.
struct Exchange {
  const HttpGet& request;
  const HttpFetch::OnBytes& on_bytes;
  CURL* easy;
  HttpReply reply;
  bool too_long = false;
  bool enough = false;
  IsPrivate is_private = nullptr;
  const std::vector<int>& proxy_ports;
  bool public_before = false;   // what was asked before was public, or may have been
  std::string refused_address;  // the private one that it redirected to
};

// Called before each request is sent, on a connection that was opened or is used again. A
// connection to another port than the URL's leads to a proxy, and whatever lies behind one counts
// as public. One to the URL's port may lead to a proxy only where a proxy has that port; then the
// worse of the two is assumed.
int before_request(void* self, char* address, char* /*local*/, int port, int /*local_port*/) {
  auto& exchange = *static_cast<Exchange*>(self);
  const char* url = nullptr;
  ::curl_easy_getinfo(exchange.easy, CURLINFO_EFFECTIVE_URL, &url);
  const int own_port = url == nullptr ? 0 : port_of(url, CURLU_DEFAULT_PORT, 0);
  const bool by_proxy = own_port != 0 && own_port != port;  // 0: not known, so taken for direct
  const bool maybe_by_proxy = std::find(exchange.proxy_ports.begin(), exchange.proxy_ports.end(),
                                        port) != exchange.proxy_ports.end();
  const bool is_private = !by_proxy && exchange.is_private(address);
  if (is_private && exchange.public_before) {
    exchange.refused_address = address;
    return CURL_PREREQFUNC_ABORT;
  }
  exchange.public_before = !is_private || maybe_by_proxy;
  return CURL_PREREQFUNC_OK;
}

std::size_t on_body(char* bytes, std::size_t /*one*/, std::size_t size, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  long status = 0;
  ::curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
  if (exchange.on_bytes && status == 200) {
    exchange.enough = !exchange.on_bytes({bytes, size});
    return exchange.enough ? CURL_WRITEFUNC_ERROR : size;
  }
  exchange.too_long = exchange.reply.body.size() + size > exchange.request.body_bytes_max;
  if (exchange.too_long) return CURL_WRITEFUNC_ERROR;
  exchange.reply.body.append(bytes, size);
  return size;
}

std::string header_of(CURL* easy, const char* name) {
  curl_header* header = nullptr;
  if (::curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return {};
  return header->value;
}

std::chrono::milliseconds retry_after(const std::string& value) {
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc{} || end != value.data() + value.size()) return {};
  return std::chrono::seconds{seconds};
}

class CurlFetch final : public HttpFetch {
 public:
  explicit CurlFetch(IsPrivate is_private) : is_private_(is_private) {
    static std::once_flag once;
    std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
    multi_.reset(::curl_multi_init());
  }

  Result<HttpReply> get(const HttpGet& request, const std::stop_token& stop,
                        const OnBytes& on_bytes) override {
    const std::unique_ptr<CURL, EasyFree> easy(::curl_easy_init());
    if (!multi_ || !easy) return Error{Code::kInternal, "libcurl cannot be started"};
    Exchange exchange{.request = request,
                      .on_bytes = on_bytes,
                      .easy = easy.get(),
                      .reply = {},
                      .is_private = is_private_,
                      .proxy_ports = proxy_ports_,
                      .refused_address = {}};
    const std::unique_ptr<curl_slist, ListFree> headers = set_options(easy.get(), exchange);
    ::curl_multi_add_handle(multi_.get(), easy.get());
    const std::stop_callback wake(stop, [this] { ::curl_multi_wakeup(multi_.get()); });
    const CURLcode code = transfer(stop);
    Result<HttpReply> result = outcome(exchange, code, stop);
    ::curl_multi_remove_handle(multi_.get(), easy.get());
    return result;
  }

 private:
  static std::unique_ptr<curl_slist, ListFree> set_options(CURL* easy, Exchange& exchange) {
    const HttpGet& request = exchange.request;
    ::curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    ::curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
    ::curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &before_request);
    ::curl_easy_setopt(easy, CURLOPT_PREREQDATA, &exchange);
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    ::curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!request.ca_file.empty()) ::curl_easy_setopt(easy, CURLOPT_CAINFO, request.ca_file.c_str());
    ::curl_easy_setopt(easy, CURLOPT_USERAGENT, "tidewatch");
    ::curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, exchange.on_bytes ? nullptr : "");
    ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT,
                       static_cast<long>(request.connect_timeout.count()));
    ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    ::curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                       static_cast<long>(request.stall_timeout.count()));
    ::curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(request.total_timeout.count()));
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
    curl_slist* list = nullptr;
    for (const auto& [name, value] : request.headers) {
      list = ::curl_slist_append(list, (name + ": " + value).c_str());
    }
    ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    return std::unique_ptr<curl_slist, ListFree>(list);
  }

  CURLcode transfer(const std::stop_token& stop) {
    int running = 1;
    while (running > 0 && !stop.stop_requested()) {
      if (::curl_multi_perform(multi_.get(), &running) != CURLM_OK) return CURLE_FAILED_INIT;
      if (running > 0) ::curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    }
    int left = 0;
    while (const CURLMsg* message = ::curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) return message->data.result;
    }
    return CURLE_ABORTED_BY_CALLBACK;
  }

  static Result<HttpReply> outcome(Exchange& exchange, CURLcode code, const std::stop_token& stop) {
    const std::string host = address_origin(exchange.request.url);
    if (exchange.too_long) {
      return Error{Code::kResourceExhausted, fmt::format("{}: answered more than {} bytes", host,
                                                         exchange.request.body_bytes_max)};
    }
    if (stop.stop_requested()) return Error{Code::kCancelled, host + ": stopped"};
    if (!exchange.refused_address.empty()) {
      return Error{Code::kPermissionDenied,
                   fmt::format("{}: redirects to the private address {}, which is not followed; if "
                               "that is meant, configure the address it leads to",
                               host, exchange.refused_address)};
    }
    if (code != CURLE_OK && !exchange.enough) {
      return Error{Code::kUnavailable, fmt::format("{}: {}", host, ::curl_easy_strerror(code))};
    }
    HttpReply& reply = exchange.reply;
    ::curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &reply.status);
    reply.content_type = header_of(exchange.easy, "content-type");
    reply.etag = header_of(exchange.easy, "etag");
    reply.last_modified = header_of(exchange.easy, "last-modified");
    reply.retry_after = retry_after(header_of(exchange.easy, "retry-after"));
    return std::move(reply);
  }

  const IsPrivate is_private_;
  const std::vector<int> proxy_ports_ = proxy_ports();
  std::unique_ptr<CURLM, MultiFree> multi_;
};

}  // namespace

std::unique_ptr<HttpFetch> make_http_fetch(IsPrivate is_private) {
  return std::make_unique<CurlFetch>(is_private);
}

std::string address_origin(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "address";
  return std::string(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

Status check_address(std::string_view url, std::initializer_list<std::string_view> schemes) {
  const auto bad = [](std::string_view why) {
    return Error{Code::kInvalidArgument, std::string(why)};
  };
  const std::size_t end = url.find("://");
  const bool known = end != std::string_view::npos &&
                     std::find(schemes.begin(), schemes.end(), url.substr(0, end)) != schemes.end();
  if (!known) return bad(fmt::format("must begin with {}://", fmt::join(schemes, ":// or ")));
  const std::string_view host = url.substr(end + 3, url.find_first_of("/?#", end + 3) - end - 3);
  if (host.empty()) return bad("has no host");
  if (host.find('@') != std::string_view::npos) return bad("may not hold a user name or password");
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= 0x20 || c >= 0x7F; })) {
    return bad("holds spaces, control or non-ASCII characters; percent-encode them");
  }
  return {};
}

Error status_error(const std::string& url, const HttpReply& reply) {
  const bool busy = reply.status == 429 || reply.status == 503;
  return {busy ? Code::kResourceExhausted : Code::kUnavailable,
          fmt::format("{}: answered {}", address_origin(url), reply.status), reply.retry_after};
}

}  // namespace tidewatch
