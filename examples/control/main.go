// Control commands a switch or set point in the steps that it wants: control [-site DIR] IED REF VALUE
//
// For example, on the demo site: control -site site fdr1 FDR1LD0/CSWI1.Pos off
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

func main() {
	dir := flag.String("site", ".", "site `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := control(ctx, *dir, flag.Arg(0), flag.Arg(1), flag.Arg(2))
	if failed, ok := errors.AsType[*client.ControlError](err); ok {
		log.Fatalf("%v (cause: %v)", failed, failed.Cause)
	} else if err != nil {
		log.Fatal(err)
	}
}

func control(ctx context.Context, dir, ied, name, text string) error {
	s, err := site.Open(dir)
	if err != nil {
		return err
	}
	ref, err := acsi.ParseRef(name)
	if err != nil {
		return err
	}
	peer, err := s.Dial(ctx, site.Party{}, ied)
	if err != nil {
		return err
	}
	defer peer.Close(context.WithoutCancel(ctx))
	object, err := client.New(peer).Control(ctx, ref) // it knows now whether to select, and whether to wait for the end
	if err != nil {
		return err
	}
	v, err := object.ParseValue(text)
	if err != nil {
		return err
	}
	return object.Operate(ctx, v, client.Operation{Interlock: true, Step: func(s client.Step, took time.Duration) { fmt.Println(s, took) }})
}
