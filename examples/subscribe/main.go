// Subscribe follows a data set by reports, until it is interrupted: subscribe [-site DIR] IED DATASET
//
// For example, on the demo site: subscribe -site site fdr1 FDR1LD0/LLN0.Measurements
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

func main() {
	dir := flag.String("site", ".", "site `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := subscribe(ctx, *dir, flag.Arg(0), flag.Arg(1)); err != nil {
		log.Fatal(err)
	}
}

func subscribe(ctx context.Context, dir, ied, dataSet string) error {
	s, err := site.Open(dir)
	if err != nil {
		return err
	}
	ref, err := acsi.ParseDataSetRef(dataSet)
	if err != nil {
		return err
	}
	peer, err := s.Dial(ctx, site.Party{}, ied) // as the client that busbar.yaml names, or the only one there is
	if err != nil {
		return err
	}
	leaving := context.WithoutCancel(ctx)
	defer peer.Close(leaving)
	reports, err := client.New(peer).Subscribe(ctx, ref, client.SubscribeConfig{Snapshot: true})
	if err != nil {
		return err
	}
	defer reports.Close(leaving) // its control block is free for others then
	for update, err := range reports.Updates(ctx) {
		for _, v := range update.Values {
			fmt.Println(v.Ref, v.Value, v.Reason)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
