//! Bad answers: each is told with its address and what to do, and none of them ends the program.

use crate::server::{always, ok, response, serve, serve_by};
use crate::{Rig, THREADS, Told, instrument, venues_at};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

/// A list of Binance with these rows, each `SYMBOL tick`.
fn binance(rows: &[(&str, &str)]) -> String {
    let row = |(symbol, tick): &(&str, &str)| {
        format!(
            r#"{{"symbol":"{symbol}","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
            {{"filterType":"PRICE_FILTER","tickSize":"{tick}"}},{{"filterType":"LOT_SIZE","stepSize":"0.1"}}]}}"#
        )
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!(r#"{{"symbols":[{}]}}"#, rows.join(","))
}

/// A page of Bybit with one row and a cursor.
fn bybit(symbol: &str, base: &str, cursor: &str) -> String {
    format!(
        r#"{{"retCode":0,"retMsg":"OK","result":{{"list":[{{"symbol":"{symbol}","baseCoin":"{base}",
        "quoteCoin":"USDT","status":"Trading","priceFilter":{{"tickSize":"0.01"}},
        "lotSizeFilter":{{"basePrecision":"0.1"}}}}],"nextPageCursor":"{cursor}"}}}}"#
    )
}

/// Binance at an address, beside a good Bybit.
fn config(binance: &str) -> String {
    let other = serve(always(ok(&bybit("BTCUSDT", "BTC", ""))));
    venues_at(&[("binance", binance.to_owned()), ("bybit", other)])
        + &instrument("BTC/USDT", [2, 1], "")
        + THREADS
}

fn asked(binance: &str, arguments: &[&str]) -> Told {
    Rig::new(&config(binance)).check(arguments)
}

#[test]
fn answers_that_are_no_list_are_told_with_the_address_and_the_remedy() {
    let page = "<!DOCTYPE html><html>\u{1b}[31mBlocked</html>";
    let whole = binance(&[("BTCUSDT", "0.01")]);
    let cases: [(Vec<u8>, &[&str]); 15] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_vec(), &["the connection failed: "]),
        (
            ok(page),
            &[
                "not the documented JSON: expected value at line 1",
                "\\u{1b}[31mBlocked",
                "no proxy",
            ],
        ),
        (ok(&whole[..whole.len() - 5]), &["not the documented JSON: EOF while parsing"]),
        (ok(""), &["EOF while parsing a value"]),
        (ok(r#"{"symbols":[{"status":"TRADING"}]}"#), &["missing field `symbol`"]),
        (
            response("429 Too Many Requests", "Retry-After: 120\r\n", r#"{"code":-1003}"#),
            &[
                "it answered 429 Too Many Requests, retry-after 120: {\"code\":-1003}; wait for the time",
            ],
        ),
        (
            response("451 Unavailable For Legal Reasons", "", "no"),
            &["451", "set rest_url to a host"],
        ),
        (
            response("302 Found", "Location: https://elsewhere.example/\r\n", ""),
            &["it answered 302 Found, location https://elsewhere.example/", "set rest_url"],
        ),
        (
            response("503 Service Unavailable", "", &"x".repeat(1 << 20)),
            &["503", "ask again later"],
        ),
        (
            ok(r#"{"code":-1121,"msg":"Invalid symbol."}"#),
            &["the venue refuses: -1121 Invalid symbol."],
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), &["the answer is no HTTP: ", "no proxy answers"]),
        (
            b"HTTP/1.1 200 OK\r\nX-A: \x01\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
            &["the answer is no HTTP: "],
        ),
        (ok(&binance(&[])), &["the list is empty; ask again later"]),
        (response("429 Too Many Requests", "Retry-After: 9\r\n", ""), &["retry-after 9; wait"]),
        (ok(r#"{"symbols":[{"symbol":"BTCUSDT","status":null}]}"#), &["not the documented JSON: "]),
    ];
    for (bytes, parts) in cases {
        let told = asked(&serve(always(bytes)), &[]);
        told.expect(3, parts);
        let place = ["venues[0].rest_url: binance could not be asked: GET http://127.0.0.1:"];
        told.expect(3, &place);
        told.expect(
            3,
            &["not asked", "0 problems of the configuration; 1 venue could not be asked"],
        );
        assert!(told.err.len() < 2_000, "{told:?}");
    }
}

#[test]
fn a_venue_that_is_not_there_is_told_and_nothing_is_written() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rig = Rig::new(&config(&format!("http://{gone}")));
    let told = rig.check(&["--write", "instruments.toml"]);
    told.expect(
        3,
        &[
            "the connection failed: ",
            "check the network and the address",
            "instruments.toml was not written, because a venue could not be asked",
        ],
    );
    assert!(!rig.path("instruments.toml").exists());
}

#[test]
fn a_problem_of_the_configuration_counts_before_a_venue_that_is_not_there() {
    let text = config("http://127.0.0.1:9").replace("price_decimals = 2", "price_decimals = 1");
    Rig::new(&text).check(&[]).expect(2, &["set price_decimals = 2", "1 venue could not be asked"]);
}

#[test]
fn a_body_without_an_end_is_cut_off() {
    let huge = serve_by(|_, stream: &mut TcpStream| {
        let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"symbols\":[";
        let mut written = stream.write_all(head);
        while written.is_ok() {
            written = stream.write_all(&[b' '; 1 << 16]);
        }
    });
    asked(&huge, &[]).expect(3, &["the answer is longer than 32 MiB"]);
}

#[test]
fn an_answer_that_trickles_is_given_up_and_the_other_venues_are_told() {
    let slow = serve_by(|_, stream: &mut TcpStream| {
        let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while written.is_ok() {
            std::thread::sleep(Duration::from_millis(50));
            written = stream.write_all(b" ");
        }
    });
    let mut rig = Rig::new(&config(&slow));
    rig.timeout = "0.7";
    rig.check(&[]).expect(
        3,
        &[
            "the whole answer did not come within 0.7 s",
            "allow more by --timeout",
            "bybit",
            "trades",
        ],
    );
}

#[test]
fn pages_are_followed_by_their_cursor_and_not_in_a_circle() {
    let pages = serve(|path| {
        let (base, symbol, cursor) = match path.split_once("&cursor=") {
            None => ("ETH", "ETHUSDT", "a%3Db&c"),
            Some((_, "a%3Db%26c")) => ("SOL", "SOLUSDT", "last"),
            Some(_) => ("BTC", "BTCUSDT", ""),
        };
        ok(&bybit(symbol, base, cursor))
    });
    let good = serve(always(ok(&binance(&[("BTCUSDT", "0.01")]))));
    let with = |pages: String| {
        let venues = venues_at(&[("binance", good.clone()), ("bybit", pages)]);
        Rig::new(&(venues + &instrument("BTC/USDT", [2, 1], "") + THREADS)).check(&[])
    };
    with(pages).expect(0, &["3 instruments, http://"]);
    let circle = serve(|path| {
        let to = if path.ends_with("cursor=x") { "y" } else { "x" };
        ok(&bybit("BTCUSDT", "BTC", to))
    });
    with(circle).expect(3, &["more than 50 pages, or a page leads back to an earlier one"]);
}

#[test]
fn a_row_that_cannot_be_read_is_told_and_takes_no_other_with_it() {
    let list = |odd: &str| {
        let good = binance(&[("BTCUSDT", "0.01")]);
        serve(always(ok(&good.replace("[{\"symbol\"", &format!("[{odd},{{\"symbol\"")))))
    };
    let odd = list(r#"{"symbol":"ETHUSDT","status":null},{"symbol":5}"#);
    asked(&odd, &["--write", "instruments.toml"]).expect(
        0,
        &[
            "rows of binance are not as documented (2), as: invalid type: null, expected a string; they \
             were left out",
            "1 instrument written",
        ],
    );
    let own = r#"{"symbols":[{"symbol":"BTCUSDT","status":null},{"symbol":"ETHUSDT","status":"TRADING",
        "baseAsset":"ETH","quoteAsset":"USDT"}]}"#;
    let rig = Rig::new(&config(&serve(always(ok(own)))));
    rig.check(&["--write", "instruments.toml"]).expect(
        3,
        &[
            "unreadable",
            "instruments[0].symbols: binance lists BTCUSDT, but its row is not as documented: invalid \
             type: null, expected a string; ask again later",
            "instruments.toml was not written, because what a venue says of an instrument could not be \
             read",
            "0 problems of the configuration; 0 venues could not be asked; 1 row could not be read",
        ],
    );
    assert!(!rig.path("instruments.toml").exists());
}

#[test]
fn a_byte_order_mark_says_nothing() {
    let list = format!("\u{feff}{}", binance(&[("BTCUSDT", "0.01")]));
    asked(&serve(always(ok(&list))), &[]).expect(0, &["1 instruments, http://"]);
}

#[test]
fn a_currency_that_adds_nothing_is_told_with_those_that_would() {
    let rows = [("BTCUSDT", "0.01"), ("ETHUSDC", "0.01")];
    let lists = [binance(&rows), bybit("ETHUSDC", "ETH", "")];
    let [binance, bybit] = lists.map(|list| {
        let list = list.replace("\"BTC\"", "\"ETH\"").replace("\"USDT\"", "\"USDC\"");
        let list = list.replacen(
            "\"baseAsset\":\"ETH\",\"quoteAsset\":\"USDC\"",
            "\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\"",
            1,
        );
        serve(always(ok(&list)))
    });
    let text = venues_at(&[("binance", binance), ("bybit", bybit)])
        + &instrument("BTC/USDT", [2, 1], "venues = [\"binance\"]\n")
        + THREADS;
    let check = |all: &str| Rig::new(&text).check(&["--write", "instruments.toml", "--all", all]);
    check("usdt").expect(
        0,
        &[
            "note: --all \"usdt\" adds nothing",
            "; these currencies would: USDC",
            "1 instrument written",
        ],
    );
    check("usdc").expect(0, &["2 instruments written"]);
    check(" ").expect(2, &["expected a quote currency such as USDT"]);
}

#[test]
fn a_symbol_that_is_listed_twice_is_noted_and_the_last_row_that_trades_counts() {
    let halted = binance(&[("BTCUSDT", "0.01"), ("BTCUSDT", "0.1")]);
    let (first, last) = halted.rsplit_once("TRADING").unwrap();
    let halted = format!("{first}BREAK{last}");
    asked(&serve(always(ok(&halted))), &[]).expect(0, &["binance lists BTCUSDT more than once"]);

    let twice = serve(always(ok(&binance(&[("BTCUSDT", "0.01"), ("BTCUSDT", "0.001")]))));
    asked(&twice, &[]).expect(
        2,
        &[
            "venues[0].name: binance lists BTCUSDT more than once; the last row that trades was compared",
            "2 decimals do not hold the tick of binance (0.001); set price_decimals = 3",
        ],
    );
}

#[test]
fn names_that_are_not_plain_are_left_out() {
    let odd = binance(&[("BTCUSDT", "0.01"), ("B\\u001b[2JUSDT", "0.01"), ("", "0.01")]);
    let told = asked(&serve(always(ok(&odd))), &["--write", "instruments.toml", "--all", "USDT"]);
    told.expect(
        0,
        &["2 rows of binance have a name that is empty or not plain; they were left out"],
    );
    assert!(!told.out.contains('\u{1b}'), "{told:?}");
}

#[test]
fn a_missing_filter_and_a_tick_with_an_exponent_are_read() {
    let list = r#"{"symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
        "filters":[{"filterType":"PRICE_FILTER","tickSize":"1e-8"}]}]}"#;
    asked(&serve(always(ok(list))), &[]).expect(
        2,
        &[
            "2 decimals do not hold the tick of binance (0.00000001); set price_decimals = 8",
            "the lot of BTCUSDT on binance is missing",
        ],
    );
}

#[test]
fn a_tick_that_okx_has_announced_is_noted_before_it_holds() {
    let okx = r#"{"code":"0","data":[{"instId":"BTC-USDT","baseCcy":"BTC","quoteCcy":"USDT","state":"live",
        "tickSz":"0.1","lotSz":"0.1","upcChg":[{"param":"tickSz","newValue":"0.0001","effTime":"1"}]}]}"#;
    let okx = serve(always(ok(okx)));
    let text =
        config(&serve(always(ok(&binance(&[("BTCUSDT", "0.01")]))))) + &venues_at(&[("okx", okx)]);
    let rig = Rig::new(&text);
    rig.check(&["--write", "instruments.toml"]).expect(
        0,
        &["2 decimals will not hold the coming tick of okx (0.0001); set price_decimals = 4 before it"],
    );
    let written = std::fs::read_to_string(rig.path("instruments.toml")).unwrap();
    assert!(written.contains("price_decimals = 4"), "{written}");
}
