// SPDX-License-Identifier: MIT
#include "examples/server/decoding.hpp"

#include <doctest/doctest.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <copyspec/adapters/llama_cpp/model.hpp>
#include <copyspec/copyspec.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "copyspec/detail/gumbel_noise.hpp"
#include "copyspec/detail/splitmix.hpp"
#include "examples/llama_cpp/engine.hpp"
#include "examples/llama_cpp/terminal.hpp"
#include "examples/llama_cpp/vocabulary.hpp"
#include "examples/server/metrics.hpp"
#include "examples/server/work.hpp"
#include "support/demo_model.hpp"

using copyspec::SequenceStatus;
using copyspec::Token;
using copyspec::adapters::LlamaCpp;
using copyspec_llama::Vocabulary;
using copyspec_server::Channel;
using copyspec_server::Clock;
using copyspec_server::Counters;
using copyspec_server::Decoding;
using copyspec_server::DecodingOptions;
using copyspec_server::Ending;
using copyspec_server::Event;
using copyspec_server::Metrics;
using copyspec_server::Work;
using copyspec_test::ask;
using copyspec_test::make_context;

namespace {

using Tokens = std::vector<Token>;

// The model of the demo in F32: in four bits, llama.cpp rounds so differently in passes of other shapes that a
// difference between two answers shows nothing.
llama_model& exact_model() {
  static std::unique_ptr<llama_model, copyspec_test::FreeModel> const model = [] {
    copyspec_test::demo_model();  // says what is missing
    copyspec_llama::Progress progress;
    std::filesystem::path const path = copyspec_llama::f32_copy(std::getenv("COPYSPEC_TEST_MODEL"), 2, progress);
    auto* const loaded = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    REQUIRE_MESSAGE(loaded != nullptr, path.string(), " could not be loaded");
    return std::unique_ptr<llama_model, copyspec_test::FreeModel>(loaded);
  }();
  return *model;
}

Vocabulary const& vocabulary() {
  static Vocabulary const words(exact_model());
  return words;
}

llama_context_params parameters(std::uint32_t room, std::uint32_t sequences) {
  llama_context_params some = copyspec_test::small_context();
  some.n_ctx = room;
  some.n_seq_max = sequences;
  some.kv_unified = true;
  // Threads of llama.cpp wait for one another by spinning, which takes long where other tests run too.
  some.n_threads = some.n_threads_batch = 1;
  return some;
}

// What came of one answer.
struct Answered {
  Tokens tokens = {};
  std::string text = {};
  std::optional<Ending> ending = {};
};

// A decoder with a small context, and the answers to all that was submitted.
class Server {
 public:
  explicit Server(std::uint32_t room, std::uint32_t sequences, DecodingOptions options = {.context_limit = 400})
      : context_(make_context(exact_model(), parameters(room, sequences))),
        decoding_(*context_, vocabulary(), cheap(std::move(options)), metrics_) {}

  // Queues an answer or several to a prompt. Returns its number.
  std::size_t submit(Work work) {
    work.channel = std::make_shared<Channel>();
    channels_.push_back(work.channel);
    answers_.emplace_back(work.answers);
    waiting_.push_back(std::make_shared<Work const>(std::move(work)));
    return answers_.size() - 1;
  }

  // Begins what has a place, and makes one pass. Returns whether anything is left.
  bool step() {
    while (!waiting_.empty() && decoding_.has_place(*waiting_.front())) {
      decoding_.begin(waiting_.front(), Clock::now());
      waiting_.pop_front();
    }
    decoding_.drop_late();
    if (decoding_.busy()) decoding_.pass();
    most_held_ = std::max(most_held_, decoding_.tokens_held());
    for (std::size_t i = 0; i < channels_.size(); ++i)
      while (auto event = channels_[i]->take(std::chrono::milliseconds(0))) take(answers_[i], *std::move(event));
    return decoding_.busy() || !waiting_.empty();
  }

  void run() {
    for (int passes = 0; step(); ++passes) REQUIRE(passes < 5000);
  }

  [[nodiscard]] Answered const& answer(std::size_t number, std::size_t which = 0) const {
    REQUIRE(answers_[number][which].ending);
    return answers_[number][which];
  }
  [[nodiscard]] Answered const& so_far(std::size_t number) const { return answers_[number].front(); }
  [[nodiscard]] Channel& channel(std::size_t number) { return *channels_[number]; }
  [[nodiscard]] Decoding& decoding() { return decoding_; }
  [[nodiscard]] Counters counters() const { return metrics_.read(); }
  [[nodiscard]] std::size_t most_held() const { return most_held_; }

 private:
  // So that there are drafts.
  static DecodingOptions cheap(DecodingOptions options) {
    options.drafting.pass_cost = copyspec::PassCost::marginal(0.02);
    return options;
  }

  static void take(std::vector<Answered>& answers, Event event) {
    Answered& answer = answers.at(event.answer);
    CHECK_FALSE(answer.ending);
    CHECK(event.tokens.size() == event.sources.size());
    answer.tokens.insert(answer.tokens.end(), event.tokens.begin(), event.tokens.end());
    answer.text += event.text;
    answer.ending = event.ending;
  }

  copyspec_test::ContextPointer context_;
  Metrics metrics_;
  Decoding decoding_;
  std::deque<std::shared_ptr<Work const>> waiting_;
  std::vector<std::shared_ptr<Channel>> channels_;
  std::vector<std::vector<Answered>> answers_;
  std::size_t most_held_ = 0;
};

Work work(Tokens prompt, std::size_t tokens, copyspec::SamplingOptions sampling = {.temperature = 0, .seed = 1}) {
  return {.prompt = std::move(prompt),
          .options = {.max_new_tokens = tokens,
                      .stop = {.tokens = copyspec_test::end_tokens()},
                      .sampling = std::move(sampling)},
          .stop = {},
          .tenant = "a",
          .deadline = Clock::now() + std::chrono::hours(1),
          .channel = nullptr};
}

// Decodes one prompt after another, without drafts.
class Plain {
 public:
  Tokens decode(Work const& one) {
    copyspec::Composer composer(model_, copyspec::NoProposer(), copyspec::SamplingVerifier());
    auto const said = composer.generate(one.prompt, one.options);
    return {said.begin(), said.end()};
  }

  // An answer is as this one, or differs where two tokens nearly tie: passes of other shapes round differently.
  void check_same(Answered const& answer, Work const& one) {
    Tokens const expected = decode(one);
    CHECK(answer.text == text_of(answer.tokens));
    CHECK(answer.ending->error.empty());
    auto const [mine, theirs] = std::ranges::mismatch(expected, answer.tokens);
    if (mine == expected.end() && theirs == answer.tokens.end()) {
      CHECK(answer.ending->status ==
            (expected.size() == one.options.max_new_tokens ? SequenceStatus::length : SequenceStatus::stopped));
      return;
    }
    REQUIRE_MESSAGE((mine != expected.end() && theirs != answer.tokens.end()), text_of(expected), " | ", answer.text);
    Tokens context = one.prompt;
    context.insert(context.end(), expected.begin(), mine);
    float const distance = margin(context, *one.options.sampling, *mine, *theirs);
    MESSAGE("differs at ", mine - expected.begin(), ", margin ", distance);
    CHECK_MESSAGE(distance < 0.01F, text_of(expected), " | ", answer.text);
  }

  static std::string text_of(Tokens const& tokens) {
    std::string text;
    for (Token const token : tokens) text += vocabulary().text(token);
    return text;
  }

 private:
  // How far apart two tokens' scores are in the row behind `context`.
  float margin(Tokens const& context, copyspec::SamplingOptions const& sampling, Token a, Token b) {
    copyspec::SequenceId const id{0};
    model_.truncate(id, 0);
    std::span<float const> row;
    for (std::size_t fed = 0; fed < context.size();) {
      std::size_t const count = std::min(context.size() - fed, model_.max_tokens());
      copyspec::Segment const segment{.sequence = id,
                                      .tokens = std::span(context).subspan(fed, count),
                                      .rows = fed + count == context.size() ? 1U : 0U};
      fed += count;
      auto const rows = model_.forward({&segment, 1});
      if (segment.rows > 0) row = rows.row(0);
    }
    copyspec::detail::NoiseStream const noise{.seed = sampling.seed.value(), .position = context.size()};
    auto const score = [&](Token token) {
      float const logit = row[static_cast<std::size_t>(token)];
      if (sampling.temperature == 0) return logit;
      return copyspec::detail::gumbel_score(logit, 1 / sampling.temperature, noise.word(token));
    };
    float const difference = std::abs(score(a) - score(b));
    model_.truncate(id, 0);
    return difference;
  }

  copyspec_test::ContextPointer context_ = make_context(exact_model(), parameters(512, 1));
  LlamaCpp model_{*context_};
};

std::vector<Tokens> const& prompts() {
  static std::vector<Tokens> const all{ask(copyspec_test::copying_task), ask("Say the numbers from 1 to 20."),
                                       ask("Repeat this: a b c d a b c d a b c d a b c d"), ask("What is a parrot?"),
                                       ask("Write a list of three colours.")};
  return all;
}

}  // namespace

TEST_CASE("answers that are generated together are those that plain decoding gives one by one") {
  Server server(2048, 4);
  std::vector<Work> all;
  for (std::size_t i = 0; i < prompts().size(); ++i) {
    all.push_back(work(prompts()[i], 24));
    all.push_back(work(prompts()[i], 12, {.temperature = 0.8F, .top_p = 0.95F, .seed = i}));
  }
  for (Work const& one : all) server.submit(one);
  server.run();
  Plain plain;
  std::size_t tokens = 0, prompt_tokens = 0, cached = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    plain.check_same(server.answer(i), all[i]);
    tokens += server.answer(i).tokens.size();
    prompt_tokens += all[i].prompt.size();
    cached += server.answer(i).ending->cached_tokens;
    CHECK(server.answer(i).ending->counters.generated == server.answer(i).tokens.size());
  }
  Counters const counters = server.counters();
  CHECK(counters.answers == all.size());
  CHECK(counters.first_tokens == all.size());
  CHECK(counters.generated_tokens == tokens);
  CHECK(counters.prompt_tokens == prompt_tokens);
  CHECK(counters.cached_prompt_tokens == cached);
  CHECK(counters.failed_passes == 0);
  std::size_t accepted = 0, by_source = 0;
  for (std::uint64_t const count : counters.accepted_at) accepted += count;
  for (copyspec::Source const source : copyspec::draft_sources) by_source += counters.by_source[source].accepted;
  CHECK(accepted > 5);
  CHECK(by_source == accepted);
  // Copying saved passes, or answers shared them.
  CHECK(counters.passes < tokens);
}

TEST_CASE("several answers to a prompt are drawn apart, and read it once") {
  Server server(2048, 4);
  Work several = work(prompts()[3], 12, {.temperature = 1, .seed = 5});
  several.answers = 3;
  std::size_t const number = server.submit(several);
  server.run();
  Plain plain;
  for (std::size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    Work one = several;
    if (i > 0) one.options.sampling->seed = copyspec::detail::splitmix(5 + i);
    plain.check_same(server.answer(number, i), one);
    CHECK(server.answer(number, i).ending->cached_tokens == 0);
  }
  CHECK(server.answer(number, 0).tokens != server.answer(number, 1).tokens);
  CHECK(server.answer(number, 1).tokens != server.answer(number, 2).tokens);
  CHECK(server.counters().prompt_tokens == several.prompt.size());
  CHECK(server.counters().answers == 3);
}

TEST_CASE("more answers than there are ids have no place") {
  Server server(1024, 3);
  Work several = work(prompts()[3], 4);
  several.answers = 4;
  CHECK_FALSE(server.decoding().has_place(several));
  several.answers = 3;
  CHECK(server.decoding().has_place(several));
}

TEST_CASE("an answer whose client has left ends, and the others are as they would be") {
  Server server(2048, 3);
  std::vector<Work> const all{work(prompts()[0], 20), work(prompts()[1], 20), work(prompts()[4], 20)};
  for (Work const& one : all) server.submit(one);
  while (server.so_far(1).tokens.size() < 5) REQUIRE(server.step());
  server.channel(1).close();
  server.run();
  CHECK(server.answer(1).ending->error == "the client has left");
  CHECK(server.answer(1).ending->error_status == 499);
  CHECK(server.answer(1).tokens.size() < 20);
  Plain plain;
  plain.check_same(server.answer(0), all[0]);
  plain.check_same(server.answer(2), all[2]);
  // Its id can be used again.
  std::size_t const next = server.submit(all[1]);
  server.run();
  plain.check_same(server.answer(next), all[1]);
}

TEST_CASE("an answer ends when its time is over, and the others go on") {
  Server server(2048, 3);
  Work late = work(prompts()[1], 300);
  late.deadline = Clock::now() - std::chrono::seconds(1);
  late.answers = 2;
  std::size_t const first = server.submit(late), second = server.submit(work(prompts()[3], 12));
  server.run();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(server.answer(first, i).ending->error == "the time for this request is over");
    CHECK(server.answer(first, i).ending->error_status == 504);
  }
  Plain().check_same(server.answer(second), work(prompts()[3], 12));
}

TEST_CASE("where the room runs out, answers wait, and are as they would be") {
  std::vector<Work> all;
  for (Tokens const& prompt : prompts()) all.push_back(work(prompt, 56));
  all.push_back(work(prompts()[1], 56, {.temperature = 0.7F, .seed = 3}));
  for (Work& one : all) one.options.min_new_tokens = 56;
  Server server(256, 4, {.context_limit = 200});
  for (Work const& one : all) server.submit(one);
  server.run();
  Plain plain;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CAPTURE(i);
    plain.check_same(server.answer(i), all[i]);
  }
  CHECK(server.counters().preemptions > 0);
  // What goes on has room for a while.
  CHECK(server.counters().preemptions <= 2 * all.size());
  CHECK(server.counters().answers == all.size());
  CHECK(server.most_held() <= 256);
}

TEST_CASE("several answers to prompts that share their beginning fit in a room that is too small for all") {
  Server server(256, 4, {.context_limit = 200});
  std::vector<Work> all;
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    all.push_back(work(prompts()[0], 32, {.temperature = 0.9F, .seed = seed}));
    all.back().answers = 2;
    all.back().options.min_new_tokens = 32;
    server.submit(all.back());
  }
  server.run();
  Plain plain;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t which = 0; which < 2; ++which) {
      CAPTURE(i);
      CAPTURE(which);
      Work one = all[i];
      if (which > 0) one.options.sampling->seed = copyspec::detail::splitmix(*one.options.sampling->seed + which);
      plain.check_same(server.answer(i, which), one);
    }
  CHECK(server.counters().answers == 6);
}

TEST_CASE("a prompt that begins as an earlier one of its tenant is not read again, and another tenant's is") {
  Server server(2048, 4);
  Plain plain;
  Tokens const& prompt = prompts()[0];
  std::size_t const first = server.submit(work(prompt, 10));
  server.run();
  CHECK(server.answer(first).ending->cached_tokens == 0);

  // The same prompt again.
  std::size_t const again = server.submit(work(prompt, 10));
  server.run();
  CHECK(server.answer(again).ending->cached_tokens == prompt.size() - 1);
  plain.check_same(server.answer(again), work(prompt, 10));

  // The conversation goes on. All of it but the token at the end is held.
  Tokens more = prompt;
  Tokens const& said = server.answer(again).tokens;
  more.insert(more.end(), said.begin(), said.end());
  std::size_t const held = more.size() - 1;
  for (Token const token : ask("Go on.")) more.push_back(token);
  std::size_t const next = server.submit(work(more, 10));
  server.run();
  CHECK(server.answer(next).ending->cached_tokens + 1 >= held);
  plain.check_same(server.answer(next), work(more, 10));

  Work other = work(prompt, 10);
  other.tenant = "b";
  std::size_t const apart = server.submit(other);
  server.run();
  CHECK(server.answer(apart).ending->cached_tokens == 0);
  plain.check_same(server.answer(apart), other);

  Counters const counters = server.counters();
  CHECK(counters.cached_prompt_tokens ==
        server.answer(again).ending->cached_tokens + server.answer(next).ending->cached_tokens);
}

TEST_CASE("prompts that come together and begin alike are read once, by each tenant") {
  Server server(2048, 4);
  Plain plain;
  std::vector<Work> all;
  for (std::string const tenant : {"a", "a", "b"}) {
    all.push_back(work(prompts()[0], 12, {.temperature = 0.9F, .seed = all.size()}));
    all.back().tenant = tenant;
    server.submit(all.back());
  }
  server.run();
  for (std::size_t i = 0; i < all.size(); ++i) plain.check_same(server.answer(i), all[i]);
  CHECK(server.answer(0).ending->cached_tokens == 0);
  CHECK(server.answer(1).ending->cached_tokens == prompts()[0].size() - 1);
  CHECK(server.answer(2).ending->cached_tokens == 0);
}

TEST_CASE("a prompt is read beside answers in passes of bounded size, with drafts as soon as without") {
  // Passes from the prompt's arrival to its first token, while two answers are copied.
  auto const passes = [](bool drafts) {
    Server server(2048, 4, {.context_limit = 400, .mixed_pass = 20});
    for (std::size_t i : {0U, 2U}) {
      Work one = work(prompts()[i], 100);
      if (!drafts) one.options.max_draft_length = 0;
      server.submit(std::move(one));
    }
    while (server.so_far(0).tokens.empty() || server.so_far(1).tokens.empty()) REQUIRE(server.step());
    std::size_t const late = server.submit(work(Tokens(90, prompts()[1].front()), 1));
    std::size_t count = 0;
    for (; server.so_far(late).tokens.empty(); ++count) {
      std::size_t const before = server.counters().tokens_fed;
      REQUIRE(server.step());
      CHECK(server.counters().tokens_fed - before <= 20);
    }
    return count;
  };
  // Of 20 tokens, 18 are the prompt's.
  CHECK(passes(false) == 5);
  CHECK(passes(true) == 5);
}

TEST_CASE("a warm-up learns what passes cost, and leaves nothing") {
  copyspec_test::ContextPointer const context = make_context(exact_model(), parameters(512, 2));
  Metrics metrics;
  Decoding decoding(*context, vocabulary(), {.context_limit = 400}, metrics);
  decoding.warm_up(std::chrono::seconds(0));
  CHECK(decoding.pass_cost().levels().empty());
  decoding.warm_up(std::chrono::minutes(10));
  std::vector<std::size_t> rows;
  for (copyspec::PassLevel const& level : decoding.pass_cost().levels()) {
    rows.push_back(level.rows);
    CHECK(level.passes == 3);
    CHECK(level.seconds > 0);
  }
  CHECK(rows == std::vector<std::size_t>{1, 2, 4, 8, 16, 32});
  CHECK(decoding.pass_cost().in_plain_passes());
  CHECK(decoding.tokens_held() == 0);
  CHECK(llama_memory_seq_pos_max(llama_get_memory(context.get()), 0) == -1);
  CHECK(metrics.read().passes == 0);
}

TEST_CASE("a stop ends an answer, and is not shown") {
  Plain plain;
  std::string const whole = Plain::text_of(plain.decode(work(prompts()[1], 16)));
  std::size_t stopped = 0;
  for (std::string const& stop : {whole.substr(whole.size() / 2, 3), std::string("e"), std::string("no such text")}) {
    Server server(1024, 2);
    Work one = work(prompts()[1], 16);
    one.stop = {stop};
    std::size_t const number = server.submit(one);
    server.run();
    Answered const& answer = server.answer(number);
    CAPTURE(stop);
    CHECK(answer.text.find(stop) == std::string::npos);
    CHECK(answer.text.starts_with(Plain::text_of(answer.tokens)));
    stopped += answer.ending->status == SequenceStatus::stopped ? 1U : 0U;
    // The text up to the stop, unless a near-tie made it another one.
    std::string const expected = whole.substr(0, whole.find(stop));
    auto const [mine, theirs] = std::ranges::mismatch(expected, answer.text);
    CHECK((mine == expected.end()) == (theirs == answer.text.end()));
  }
  CHECK(stopped > 0);
}

TEST_CASE("a prompt that cannot be served is an error for each of its answers, and the next one is served") {
  Server server(1024, 3, {.context_limit = 100});
  Work too_long = work(Tokens(100, prompts()[0].front()), 5);
  too_long.answers = 2;
  std::size_t const refused = server.submit(too_long);
  Work out_of_range = work(prompts()[3], 5);
  out_of_range.options.sampling->top_p = 2;
  std::size_t const wrong = server.submit(out_of_range), right = server.submit(work(prompts()[3], 5));
  server.run();
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK_FALSE(server.answer(refused, i).ending->error.empty());
    CHECK(server.answer(refused, i).ending->error_status == 400);
  }
  CHECK(server.answer(wrong).ending->error_status == 400);
  Plain().check_same(server.answer(right), work(prompts()[3], 5));
}

TEST_CASE("an answer may fill the context, and no more") {
  Server server(1024, 2, {.context_limit = 60});
  Work one = work(prompts()[1], 500);
  one.options.min_new_tokens = 500;
  std::size_t const number = server.submit(one);
  server.run();
  CHECK(server.answer(number).ending->status == SequenceStatus::context_full);
  CHECK(one.prompt.size() + server.answer(number).tokens.size() <= 61);
  CHECK(one.prompt.size() + server.answer(number).tokens.size() >= 60);
}

TEST_CASE("all answers can be ended with an error, and others begin then") {
  Server server(1024, 3);
  std::size_t const a = server.submit(work(prompts()[0], 100)), b = server.submit(work(prompts()[1], 100));
  for (int i = 0; i < 5; ++i) REQUIRE(server.step());
  CHECK(server.decoding().answers() == 2);
  server.decoding().fail_all("it broke");
  CHECK_FALSE(server.decoding().busy());
  std::size_t const next = server.submit(work(prompts()[3], 12));
  server.run();
  for (std::size_t const one : {a, b}) CHECK(server.answer(one).ending->error == "it broke");
  Plain().check_same(server.answer(next), work(prompts()[3], 12));
}
