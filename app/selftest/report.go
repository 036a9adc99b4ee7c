package selftest

import (
	"context"
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/value"
)

var reportCases = []test{
	{"sRp1", "attributes of unbuffered report control blocks", readBlocks(acsi.RP)},
	{"sBr1", "attributes of buffered report control blocks", readBlocks(acsi.BR)},
	{"sRp4", "general interrogation of an unbuffered one", interrogate(acsi.RP)},
	{"sBr4", "general interrogation of a buffered one", interrogate(acsi.BR)},
	{"sRpN1", "unknown control block", func(r *run, ctx context.Context) (string, error) {
		return r.readRefused(ctx, r.model.lds[0]+"/LLN0.NoSuchBlock.RptEna[RP]")()
	}},
	{"sRpN4", "write while enabled", func(r *run, ctx context.Context) (string, error) {
		return r.whileEnabled(ctx, func(ctx context.Context, s *client.Subscription) (string, error) {
			return r.setRefused(ctx, r.client, s.Block(), "IntgPd", value.Uint(1234))
		})
	}},
	{"sRpN5", "enable what another client has enabled", func(r *run, ctx context.Context) (string, error) {
		if r.cfg.Associate == nil {
			return "", skip("there is one association only")
		}
		return r.whileEnabled(ctx, func(ctx context.Context, s *client.Subscription) (said string, err error) {
			other, err := r.cfg.Associate(ctx)
			if err != nil {
				return "", err
			}
			defer func() { err = errors.Join(err, other.Close(ctx)) }()
			return r.setRefused(ctx, client.New(other), s.Block(), "RptEna", value.Bool(true))
		})
	}},
}

func readBlocks(fc acsi.FC) func(*run, context.Context) (string, error) {
	return func(r *run, ctx context.Context) (string, error) {
		blocks, err := r.client.ControlBlocks(ctx, acsi.Ref{}, fc)
		if err != nil {
			return "", err
		}
		if len(blocks) == 0 {
			return "", skip("it has none")
		}
		for i := range blocks {
			b := &blocks[i]
			if b.Err != nil {
				return "", fmt.Errorf("%s: %w", b.Ref, b.Err)
			}
			for _, name := range []string{"RptID", "RptEna", "DatSet", "ConfRev", "OptFlds", "BufTm", "SqNum", "TrgOps", "IntgPd", "GI"} {
				if _, ok := b.Attribute(name); !ok {
					return "", fmt.Errorf("%s has no %s", b.Ref, name)
				}
			}
		}
		return count(len(blocks), "control block"), nil
	}
}

// subscribe takes a control block under fc that nobody uses and that reports something.
func (r *run) subscribe(ctx context.Context, fc acsi.FC, cfg client.SubscribeConfig) (*client.Subscription, error) {
	if !r.cfg.Write {
		return nil, skip("it was not to write")
	}
	blocks, err := r.client.ControlBlocks(ctx, acsi.Ref{}, fc)
	if err != nil {
		return nil, err
	}
	var why error = skip("it has none")
	for i := range blocks {
		b := &blocks[i]
		set, _ := b.Attribute("DatSet")
		enabled, _ := b.Attribute("RptEna")
		trg, _ := b.Attribute("TrgOps")
		if t, _ := acsi.TrgOpsOf(trg); b.Err != nil || set.Text() == "" || enabled.Bool() || t&acsi.TrgGeneralInterrogation == 0 {
			continue
		}
		s, err := r.client.Subscribe(ctx, b.Ref, cfg)
		var refused *acsi.Error
		if err == nil || !errors.As(err, &refused) {
			return s, err
		}
		why = skip("none is free for this client: %v", err)
	}
	return nil, why
}

func interrogate(fc acsi.FC) func(*run, context.Context) (string, error) {
	return func(r *run, ctx context.Context) (said string, err error) {
		s, err := r.subscribe(ctx, fc, client.SubscribeConfig{Snapshot: true})
		if err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
		for u, err := range s.Updates(ctx) {
			if err != nil {
				return "", err
			}
			if len(u.Values) == 0 || u.Values[0].Reason&acsi.ReasonGeneralInterrogation == 0 {
				continue // a change has come before, or was kept
			}
			if len(u.Values) != len(s.Members()) {
				return "", fmt.Errorf("%s: it reports %d of %d members", s.Block(), len(u.Values), len(s.Members()))
			}
			for _, v := range u.Values {
				if v.Err != nil {
					return "", fmt.Errorf("%s: %s: %w", s.Block(), v.Ref, v.Err)
				}
			}
			return fmt.Sprintf("%s, %s", s.Block().Path(), count(len(u.Values), "member")), nil
		}
		return "", fmt.Errorf("%s: no report has come of it", s.Block())
	}
}

// whileEnabled does something while an unbuffered control block is enabled.
func (r *run) whileEnabled(ctx context.Context, do func(context.Context, *client.Subscription) (string, error)) (said string, err error) {
	s, err := r.subscribe(ctx, acsi.RP, client.SubscribeConfig{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	return do(ctx, s)
}

func (r *run) setRefused(ctx context.Context, c *client.Client, block acsi.Ref, name string, v value.Value) (string, error) {
	ref, err := block.Child(name)
	if err != nil {
		return "", err
	}
	errs, err := c.Set(ctx, client.Assignment{Object: client.Object{Ref: ref}, Value: v})
	if err != nil {
		return "", err
	}
	return refused("a write to "+ref.Path(), errs[0])
}
