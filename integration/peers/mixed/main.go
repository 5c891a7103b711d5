// Command mixed has several servers, each of a library whose graceful end is the end of
// its Serve, beside net/http. Their adapters are those that one writes after a look at
// the methods of both.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/instar-project/instar/reload"
	"github.com/instar-project/instar/reload/httpdrain"

	"github.com/gliderlabs/ssh"
	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// version is stamped in by the linker.
var version = "dev"

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	svc, err := reload.Open(reload.Config{Build: version})
	if err != nil {
		return err
	}
	defer svc.Close()
	listeners := make(map[string]net.Listener)
	for _, name := range []string{"grpc", "fast", "ssh", "http"} {
		if listeners[name], err = svc.Listener(name); err != nil {
			return err
		}
	}
	generation := strconv.Itoa(svc.Generation())

	gs := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(gs, healthServer{generation: generation})
	fast := &fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		time.Sleep(200 * time.Millisecond)
		c.WriteString(generation)
	}}
	sh := &ssh.Server{Handler: func(s ssh.Session) {
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			fmt.Fprintln(s, generation)
		}
	}}
	slow := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(3 * time.Second)
		io.WriteString(w, generation)
	})}
	return svc.Serve(context.Background(),
		grpcServer{gs, listeners["grpc"]},
		fastServer{fast, listeners["fast"]},
		sshServer{sh, listeners["ssh"]},
		httpdrain.New(slow, listeners["http"]))
}

type grpcServer struct {
	*grpc.Server
	ln net.Listener
}

func (s grpcServer) Serve() error       { return s.Server.Serve(s.ln) }
func (s grpcServer) Drain(reload.Drain) { go s.GracefulStop() }
func (s grpcServer) Resume()            {}
func (s grpcServer) Close() error       { s.Stop(); return nil }

type fastServer struct {
	*fasthttp.Server
	ln net.Listener
}

func (s fastServer) Serve() error       { return s.Server.Serve(s.ln) }
func (s fastServer) Drain(reload.Drain) { go s.Shutdown() }
func (s fastServer) Resume()            {}
func (s fastServer) Close() error       { return s.Shutdown() }

type sshServer struct {
	*ssh.Server
	ln net.Listener
}

func (s sshServer) Serve() error       { return s.Server.Serve(s.ln) }
func (s sshServer) Drain(reload.Drain) { go s.Shutdown(context.Background()) }
func (s sshServer) Resume()            {}
func (s sshServer) Close() error       { return s.Server.Close() }

// healthServer has a call and a stream; the header says which generation answers.
type healthServer struct {
	grpc_health_v1.UnimplementedHealthServer
	generation string
}

func (s healthServer) header() metadata.MD { return metadata.Pairs("generation", s.generation) }

func (s healthServer) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := grpc.SetHeader(ctx, s.header()); err != nil {
		return nil, err
	}
	time.Sleep(20 * time.Millisecond)
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// Watch sends twenty messages in a second.
func (s healthServer) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	for range 20 {
		if err := stream.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}
