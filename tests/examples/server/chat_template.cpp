// SPDX-License-Identifier: MIT
#include "examples/server/chat_template.hpp"

#include <doctest/doctest.h>

#include <exception>
#include <string>
#include <vector>

#include "examples/server/api_error.hpp"
#include "examples/server/json.hpp"
#include "examples/server/request.hpp"

using copyspec_server::ApiError;
using copyspec_server::ChatTemplate;
using copyspec_server::Message;

namespace {

std::string const each =
    "{% for message in messages %}[{{ message.role }}|{{ message.content }}]{% endfor %}"
    "{% if add_generation_prompt %}[assistant|{% endif %}";

std::vector<Message> const talk{{.role = "system", .content = "Be short."},
                                {.role = "user", .content = "One?"},
                                {.role = "assistant", .content = "Two."},
                                {.role = "user", .content = "And then?"}};

// The error that a template makes of these messages.
ApiError refusal(std::string const& source, std::vector<Message> const& messages) {
  try {
    static_cast<void>(ChatTemplate(source, "", "").text(messages));
  } catch (ApiError const& error) {
    return error;
  }
  FAIL("nothing was refused");
  return ApiError::failed("");
}

}  // namespace

TEST_CASE("a template has the messages, and begins an answer") {
  CHECK(ChatTemplate(each, "", "").text(talk) ==
        "[system|Be short.][user|One?][assistant|Two.][user|And then?][assistant|");
}

TEST_CASE("a template has the names of the tokens that begin and end a text") {
  ChatTemplate const both("{{ bos_token }}" + each + "{{ eos_token }}", "<begin>", "<end>");
  CHECK(both.text(talk) == "<begin>[system|Be short.][user|One?][assistant|Two.][user|And then?][assistant|<end>");
}

TEST_CASE("a template is a program: it may look at all messages, and say what nobody said") {
  ChatTemplate const first(
      "{% if messages[0].role != 'system' %}[system|A default.]{% endif %}" + each + "{{ messages | length }}", "", "");
  CHECK(first.text({talk.data() + 1, 1}) == "[system|A default.][user|One?][assistant|1");
  CHECK(first.text(talk).ends_with("[assistant|4"));
}

TEST_CASE("what is not in a template's language is refused when it is read") {
  for (std::string const source :
       {"{% for x in %}", "{{ messages", "{% if true %}", "{{ messages[0].content | nosuch }}"}) {
    CAPTURE(source);
    CHECK_THROWS_AS(ChatTemplate(source, "", ""), std::exception);
  }
}

TEST_CASE("a text that does not show what a user says is no template") {
  for (std::string const source :
       {"", "chatml", "{{ bos_token }}", "{% for message in messages %}{{ message.role }}{% endfor %}"}) {
    CAPTURE(source);
    CHECK_THROWS_WITH(ChatTemplate(source, "", ""), "it does not show what a user says");
  }
}

TEST_CASE("messages that a template refuses are an error of the request, in the template's words") {
  std::string const alternating =
      "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('roles must alternate') }}{% endif %}[{{ message.content }}]{% endfor %}";
  ApiError const error = refusal(alternating, {talk[1], talk[1]});
  CHECK(error.status() == 400);
  CHECK(copyspec_server::parse_inner(error.body()).value()["error"]["param"] == "messages");
  CHECK(std::string(error.what()).find("roles must alternate") != std::string::npos);
  CHECK(std::string(error.what()).find('\n') == std::string::npos);
  CHECK(std::string(error.what()).find("loop.index0") == std::string::npos);
}

TEST_CASE("a template without a system role is told in front of what the user says first") {
  std::string const none =
      "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
      "[{{ message.role }}|{{ message.content }}]{% endfor %}";
  ChatTemplate const format(none, "", "");
  CHECK(format.text(talk) == "[user|Be short.\n\nOne?][assistant|Two.][user|And then?]");
  CHECK(format.text({talk.data(), 1}) == "[user|Be short.]");
}

TEST_CASE("a template that takes contents apart gets them in parts") {
  std::string const parts =
      "{% for message in messages %}[{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
      "{% endif %}{% endfor %}]{% endfor %}";
  CHECK(ChatTemplate(parts, "", "").text(talk) == "[Be short.][One?][Two.][And then?]");
}

TEST_CASE("texts pass through as they are") {
  for (std::string const& text :
       {std::string("{{ messages }} {% raw %}"), std::string("a\0b", 3), std::string("\x1f<|x|>\n\n ")}) {
    std::vector<Message> const said{{.role = "user", .content = text}};
    CHECK(ChatTemplate(each, "", "").text(said) == "[user|" + text + "][assistant|");
  }
}
