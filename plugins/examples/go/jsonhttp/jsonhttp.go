// Package jsonhttp speaks HTTP and JSON through wasi:http, with errors in the contract's terms. Messages are shown to
// the user, so they hold method, host, path and status, never a body or a query.
package jsonhttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	types "example.com/json-store/internal/keyhole_backend_types"
	handler "example.com/json-store/internal/wasi_http_outgoing_handler"
	wasi "example.com/json-store/internal/wasi_http_types"
	streams "example.com/json-store/internal/wasi_io_streams"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

const bodyLimit = 4 << 20

// Bytes read since memory was last collected.
var uncollected int

// Go's collector must not begin by itself: it would do so while the host hands over bytes, and in that moment a component
// may call nobody, not even to ask for the time. So it runs between answers, when enough was read.
func init() { debug.SetGCPercent(-1) }

func collect(read int) {
	if uncollected += read; uncollected > 4<<20 {
		runtime.GC()
		uncollected = 0
	}
}

// Failure is an error of the contract.
type Failure struct{ said types.Error }

func (f Failure) Error() string { return f.said.Message }

// Fail makes an error of a kind and a message for the user.
func Fail(kind types.ErrorKind, message string) error {
	return Failure{types.Error{Kind: kind, Message: message}}
}

// AsError gives any error to the host.
func AsError(err error) types.Error {
	var failure Failure
	if errors.As(err, &failure) {
		return failure.said
	}
	return types.Error{Kind: types.MakeErrorKindInternal(), Message: "the plugin failed"}
}

// Answer of the store, whatever its status.
type Answer struct {
	Status     uint16
	retryAfter string
	body       []byte
	shown      string
}

// JSON reads the body of a success; every other status is an error.
func (a Answer) JSON(into any) error {
	if a.Status < 200 || a.Status > 299 {
		return Fail(a.kind(), fmt.Sprintf("the store answered %d to GET %s", a.Status, a.shown))
	}
	if json.Unmarshal(a.body, into) != nil {
		return Fail(types.MakeErrorKindOther("unreadable-answer"), "no JSON came from GET "+a.shown)
	}
	return nil
}

func (a Answer) kind() types.ErrorKind {
	after := wit.None[uint64]()
	if seconds, err := strconv.ParseUint(a.retryAfter, 10, 32); err == nil {
		after = wit.Some(seconds * 1000)
	}
	switch {
	case a.Status == 401:
		return types.MakeErrorKindUnauthenticated()
	case a.Status == 403:
		return types.MakeErrorKindDenied()
	case a.Status == 404:
		return types.MakeErrorKindNotFound()
	case a.Status == 429:
		return types.MakeErrorKindThrottled(after)
	case a.Status >= 500:
		return types.MakeErrorKindUnavailable(after)
	default:
		return types.MakeErrorKindOther(fmt.Sprintf("http-%d", a.Status))
	}
}

// Get asks, and reads the whole answer.
func Get(address string, headers map[string]string) (answer Answer, err error) {
	defer func() { collect(len(answer.body)) }()
	where, err := url.Parse(address)
	if err != nil {
		return Answer{}, Fail(types.MakeErrorKindInvalid("/settings"), "the store's URL cannot be read")
	}
	answer = Answer{shown: fmt.Sprintf("%s://%s%s", where.Scheme, where.Host, where.EscapedPath())}
	unreachable := Fail(types.MakeErrorKindUnavailable(wit.None[uint64]()), "no answer to GET "+answer.shown)

	request, ok := outgoing(where, headers)
	if !ok {
		return answer, unreachable
	}
	sent := handler.Handle(request, wit.None[*wasi.RequestOptions]())
	if sent.IsErr() {
		return answer, unreachable
	}
	future := sent.Ok()
	defer future.Drop()
	ready := future.Subscribe()
	ready.Block()
	ready.Drop()
	arrived := future.Get()
	if arrived.IsNone() || arrived.Some().IsErr() || arrived.Some().Ok().IsErr() {
		return answer, unreachable
	}
	response := arrived.Some().Ok().Ok()
	defer response.Drop()
	answer.Status = response.Status()
	fields := response.Headers()
	if values := fields.Get("retry-after"); len(values) > 0 {
		answer.retryAfter = string(values[0])
	}
	fields.Drop()
	answer.body, err = read(response, unreachable)
	return answer, err
}

func outgoing(where *url.URL, headers map[string]string) (*wasi.OutgoingRequest, bool) {
	fields := wasi.MakeFields()
	for name, value := range headers {
		if fields.Append(name, []byte(value)).IsErr() {
			return nil, false
		}
	}
	scheme := wasi.MakeSchemeHttps()
	if where.Scheme == "http" {
		scheme = wasi.MakeSchemeHttp()
	}
	request := wasi.MakeOutgoingRequest(fields)
	ok := request.SetScheme(wit.Some(scheme)).IsOk() &&
		request.SetAuthority(wit.Some(where.Host)).IsOk() &&
		request.SetPathWithQuery(wit.Some(where.RequestURI())).IsOk()
	return request, ok
}

func read(response *wasi.IncomingResponse, broken error) ([]byte, error) {
	consumed := response.Consume()
	if consumed.IsErr() {
		return nil, broken
	}
	// What was opened last goes first. The collector would drop them in any order, and a body that goes before its
	// stream is a fault.
	defer consumed.Ok().Drop()
	opened := consumed.Ok().Stream()
	if opened.IsErr() {
		return nil, broken
	}
	defer opened.Ok().Drop()
	var body []byte
	for {
		piece := opened.Ok().BlockingRead(64 << 10)
		if piece.IsErr() {
			if piece.Err().Tag() == streams.StreamErrorClosed {
				return body, nil
			}
			return nil, broken
		}
		body = append(body, piece.Ok()...)
		if len(body) > bodyLimit {
			message := fmt.Sprintf("an answer of the store is larger than %d bytes", bodyLimit)
			return nil, Fail(types.MakeErrorKindTooLarge(), message)
		}
	}
}

// EncodePath makes a path of a key. It refuses one with a part `.` or `..`: servers take these for folders, so the
// author of an ExternalSecret could walk out of the prefix that the administrator set.
func EncodePath(key string) (string, bool) {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		if part == "." || part == ".." {
			return "", false
		}
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/"), true
}
