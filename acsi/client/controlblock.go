package client

import (
	"context"

	"busbar.example/acsi"
	"busbar.example/value"
)

// ControlBlock is a control block and what its attributes hold.
type ControlBlock struct {
	Reading
}

// Class is what kind of control block it is: acsi.BRCB, acsi.URCB, acsi.LCB, acsi.SGCB and so on.
func (b *ControlBlock) Class() string { return classes[b.Ref.FC()] }

var classes = map[acsi.FC]string{acsi.BR: acsi.BRCB, acsi.RP: acsi.URCB, acsi.LG: acsi.LCB, acsi.SP: acsi.SGCB, acsi.GO: acsi.GoCB,
	acsi.MS: acsi.MSVCB, acsi.US: acsi.USVCB}

// Attribute is what the attribute called name holds; ok is false where there is none.
func (b *ControlBlock) Attribute(name string) (v value.Value, ok bool) {
	if b.Node == nil || b.Value.Kind() != value.Structure || b.Value.Len() != len(b.Node.Children) {
		return value.Value{}, false
	}
	for i, n := range b.Node.Children {
		if n.Name == name {
			return b.Value.At(i), true
		}
	}
	return value.Value{}, false
}

// ControlBlocks reads the control blocks under some functional constraints, BR, RP, LG, GO, MS or US, of a logical node, of those of a
// logical device or, for the zero Ref, of all.
func (c *Client) ControlBlocks(ctx context.Context, ref acsi.Ref, fcs ...acsi.FC) ([]ControlBlock, error) {
	nodes, err := c.logicalNodes(ctx, ref)
	if err != nil {
		return nil, err
	}
	var refs []acsi.Ref
	for _, ln := range nodes {
		node, err := c.logicalNode(ctx, ln)
		if err != nil {
			return nil, err
		}
		for _, n := range node.Children {
			for _, fc := range fcs {
				if n.Under(fc) == nil {
					continue
				}
				r, err := ln.Child(n.Name)
				if err != nil {
					return nil, err
				}
				refs = append(refs, r.WithFC(fc))
			}
		}
	}
	readings, err := c.Read(ctx, refs...)
	if err != nil {
		return nil, err
	}
	blocks := make([]ControlBlock, len(readings))
	for i, r := range readings {
		blocks[i] = ControlBlock{r}
	}
	return blocks, nil
}

// ControlBlock reads one control block. Where ref has no functional constraint it must fit one.
func (c *Client) ControlBlock(ctx context.Context, ref acsi.Ref) (*ControlBlock, error) {
	readings, err := c.Read(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &ControlBlock{readings[0]}, readings[0].Err
}
