package main

import (
	"fmt"
	"sync"

	eebusapi "github.com/enbility/eebus-go/api"
	ucapi "github.com/enbility/eebus-go/usecases/api"
	"github.com/enbility/eebus-go/usecases/cs/lpc"
	"github.com/enbility/eebus-go/usecases/cs/lpp"
	"github.com/enbility/eebus-go/usecases/gcp/mgcp"
	shipapi "github.com/enbility/ship-go/api"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
	"github.com/enbility/spine-go/spine"
	"github.com/enbility/spine-go/util"
)

// controllableSystem serves LPC, LPP and MGCP on one CEM entity. It has no state machine: it accepts every limit
// with the right sign and every configuration. It is there to prove the harness and to be measured.
type controllableSystem struct {
	peer        *node
	approving   sync.Mutex
	consumption ucapi.CsLPCInterface
	production  ucapi.CsLPPInterface
	grid        ucapi.GcpMGCPInterface
}

func (c *controllableSystem) describe() description {
	return description{
		model:      "House",
		category:   shipapi.DeviceCategoryTypeEnergyManagementSystem,
		deviceType: model.DeviceTypeTypeEnergyManagementSystem,
		entity:     model.EntityTypeTypeCEM,
	}
}

func (c *controllableSystem) attach(
	peer *node, _ *spine.DeviceLocal, entity spineapi.EntityLocalInterface,
) error {
	c.peer = peer
	measured := util.Ptr(model.MeasurementValueSourceTypeMeasuredValue)
	grid, err := mgcp.NewMGCP(entity, c.onEvent, nil,
		&mgcp.MonitorPowerConfig{ValueSource: measured},
		&mgcp.MonitorEnergyConfig{ValueSourceProduction: measured, ValueSourceConsumption: measured},
		nil, nil, nil)
	if err != nil {
		return err
	}
	c.grid = grid
	c.consumption = lpc.NewLPC(entity, c.onEvent)
	c.production = lpp.NewLPP(entity, c.onEvent)
	for _, useCase := range []eebusapi.UseCaseInterface{c.consumption, c.production} {
		if err := addUseCase(useCase); err != nil {
			return err
		}
	}
	return c.addGrid(entity)
}

// addGrid announces MGCP itself: this version of eebus-go announces its grid connection point under the actor of
// the other side, and no monitoring appliance would find it.
func (c *controllableSystem) addGrid(entity spineapi.EntityLocalInterface) error {
	entity.AddUseCaseSupport(model.UseCaseActorTypeGridConnectionPoint,
		model.UseCaseNameTypeMonitoringOfGridConnectionPoint, "1.0.0", "release", true,
		[]model.UseCaseScenarioSupportType{2, 3, 4})
	return c.grid.AddFeatures()
}

func (c *controllableSystem) onEvent(
	ski string, _ spineapi.DeviceRemoteInterface, entity spineapi.EntityRemoteInterface, event eebusapi.EventType,
) {
	switch event {
	case lpc.UseCaseSupportUpdate, lpp.UseCaseSupportUpdate:
		c.peer.out.event("use_case_support", fields{"ski": ski, "use_case": string(event)[3:6], "present": entity != nil})
	case lpc.LimitWriteApprovalRequired, lpp.LimitWriteApprovalRequired:
		c.approveLimits()
	case lpc.ConfigurationWriteApprovalRequired, lpp.ConfigurationWriteApprovalRequired:
		c.approveConfigurations()
	case lpc.DataUpdateHeartbeat:
		c.peer.out.event("heartbeat_seen", fields{"ski": ski})
	}
}

func (c *controllableSystem) approveLimits() {
	c.approving.Lock()
	defer c.approving.Unlock()
	for counter, limit := range c.consumption.PendingConsumptionLimits() {
		c.consumption.ApproveOrDenyConsumptionLimit(counter, limit.Value >= 0, "a consumption limit is not negative")
	}
	for counter, limit := range c.production.PendingProductionLimits() {
		c.production.ApproveOrDenyProductionLimit(counter, limit.Value <= 0, "a production limit is not positive")
	}
}

func (c *controllableSystem) approveConfigurations() {
	c.approving.Lock()
	defer c.approving.Unlock()
	for counter := range c.consumption.PendingDeviceConfigurations() {
		c.consumption.ApproveOrDenyDeviceConfiguration(counter, true, "")
	}
	for counter := range c.production.PendingDeviceConfigurations() {
		c.production.ApproveOrDenyDeviceConfiguration(counter, true, "")
	}
}

func (c *controllableSystem) handle(command string, line []byte) (any, error) {
	switch command {
	case "measure":
		return decodeAnd(line, c.measure)
	case "status":
		return decodeAnd(line, c.status)
	default:
		return nil, fmt.Errorf("unknown command %q", command)
	}
}

func (c *controllableSystem) measure(values struct {
	PowerW     float64 `json:"power_w"`
	FeedInWh   float64 `json:"feed_in_wh"`
	ConsumedWh float64 `json:"consumed_wh"`
}) (any, error) {
	return nil, c.grid.Update(
		c.grid.UpdateDataPowerTotal(values.PowerW, nil, nil),
		c.grid.UpdateDataEnergyFeedIn(values.FeedInWh, nil, nil, nil, nil),
		c.grid.UpdateDataEnergyConsumed(values.ConsumedWh, nil, nil, nil, nil),
	)
}

func (c *controllableSystem) status(struct{}) (any, error) {
	consumption, err := c.consumption.ConsumptionLimit()
	if err != nil {
		return nil, err
	}
	production, err := c.production.ProductionLimit()
	if err != nil {
		return nil, err
	}
	return fields{
		"consumption": fields{"value_w": consumption.Value, "active": consumption.IsActive},
		"production":  fields{"value_w": production.Value, "active": production.IsActive},
	}, nil
}
