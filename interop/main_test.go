//go:build interop

package interop_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/xmppd"
)

// asBroker in the environment makes the test binary a broker, with its files in the folder that it names: benchmarks
// measure what a process of its own costs.
const asBroker = "BUSBAR_INTEROP_BROKER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asBroker); dir != "" {
		if err := serveBroker(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveBroker serves on a port of loopback, which it prints, until its standard input ends.
func serveBroker(dir string) error {
	id, err := pki.LoadIdentity(filepath.Join(dir, "broker.crt"), filepath.Join(dir, "broker.key"))
	if err != nil {
		return err
	}
	trust, err := pki.LoadTrust([]string{filepath.Join(dir, "root.crt")}, nil)
	if err != nil {
		return err
	}
	server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: trust, Live: xmppd.Live{Identity: id}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin) // its end is all that is to be learned of it
	server.Close()
	<-served
	return nil
}
