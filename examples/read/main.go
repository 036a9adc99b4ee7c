// Read asks an IED for values: read [-site DIR] IED REF...
//
// For example, on the demo site: read -site site pv1 PV1LD0/MMXU1.TotW PV1LD0/DGEN1.DEROpSt
package main

import (
	"context"
	"flag"
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
	if flag.NArg() < 2 {
		log.Fatal("say which IED, and what of it: read pv1 PV1LD0/MMXU1.TotW")
	}
	if err := read(ctx, *dir, flag.Arg(0), flag.Args()[1:]); err != nil {
		log.Fatal(err)
	}
}

func read(ctx context.Context, dir, ied string, names []string) error {
	s, err := site.Open(dir)
	if err != nil {
		return err
	}
	peer, err := s.Dial(ctx, site.Party{}, ied) // as the client that busbar.yaml names, or the only one there is
	if err != nil {
		return err
	}
	defer peer.Close(context.WithoutCancel(ctx))
	refs := make([]acsi.Ref, len(names))
	for i, name := range names {
		if refs[i], err = acsi.ParseRef(name); err != nil {
			return err
		}
	}
	readings, err := client.New(peer).Read(ctx, refs...) // with their quality, time and unit
	if err != nil {
		return err
	}
	return client.Print(os.Stdout, readings, client.Style{})
}
