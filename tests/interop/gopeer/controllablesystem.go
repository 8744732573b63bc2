package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	eebusapi "github.com/enbility/eebus-go/api"
	"github.com/enbility/eebus-go/features/client"
	ucapi "github.com/enbility/eebus-go/usecases/api"
	"github.com/enbility/eebus-go/usecases/cs/lpc"
	"github.com/enbility/eebus-go/usecases/cs/lpp"
	"github.com/enbility/eebus-go/usecases/gcp/mgcp"
	"github.com/enbility/eebus-go/usecases/mu/mpc"
	shipapi "github.com/enbility/ship-go/api"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
	"github.com/enbility/spine-go/spine"
)

const (
	longestFailsafe = 24 * time.Hour
	nominalMaxW     = 34500
)

// controllableSystem serves LPC, LPP and MGCP on one CEM entity and MPC on a sub-meter. It has no state machine: it
// accepts every limit with the right sign and every failsafe value that the use cases allow.
type controllableSystem struct {
	peer        *node
	entity      spineapi.EntityLocalInterface
	approving   sync.Mutex
	consumption ucapi.CsLPCInterface
	production  ucapi.CsLPPInterface
	grid        *mgcp.MGCP
	unit        *mpc.MPC
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
	peer *node, device *spine.DeviceLocal, entity spineapi.EntityLocalInterface,
) error {
	c.peer, c.entity = peer, entity
	var err error
	if c.grid, err = newGrid(entity); err != nil {
		return err
	}
	c.consumption = lpc.NewLPC(entity, c.onEvent)
	c.production = lpp.NewLPP(entity, c.onEvent)
	for _, useCase := range []eebusapi.UseCaseInterface{c.consumption, c.production} {
		if err := addUseCase(useCase); err != nil {
			return err
		}
	}
	if err := addGrid(entity, c.grid); err != nil {
		return err
	}
	if c.unit, err = newUnit(device); err != nil {
		return err
	}
	return errors.Join(
		c.consumption.SetConsumptionNominalMax(nominalMaxW), c.production.SetProductionNominalMax(nominalMaxW))
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
	for counter, values := range c.consumption.PendingDeviceConfigurations() {
		flaw := flawOf(values)
		c.consumption.ApproveOrDenyDeviceConfiguration(counter, flaw == "", flaw)
	}
	for counter, values := range c.production.PendingDeviceConfigurations() {
		flaw := flawOf(values)
		c.production.ApproveOrDenyDeviceConfiguration(counter, flaw == "", flaw)
	}
}

// flawOf says why failsafe values are refused; the text is empty when they are not.
func flawOf(values []ucapi.PendingDeviceConfiguration) string {
	for _, item := range values {
		if item.Value == nil {
			continue
		}
		if item.Value.ScaledNumber != nil && item.Value.ScaledNumber.GetValue() < 0 {
			return "a failsafe limit is not negative"
		}
		if item.Value.Duration != nil {
			if duration, err := item.Value.Duration.GetTimeDuration(); err != nil || duration > longestFailsafe {
				return "the failsafe duration is too long"
			}
		}
	}
	return ""
}

func (c *controllableSystem) handle(command string, line []byte) (any, error) {
	switch command {
	case "measure":
		return decodeAnd(line, c.measureGrid)
	case "measure_unit":
		return decodeAnd(line, c.measureUnit)
	case "heartbeat":
		return decodeAnd(line, c.switchHeartbeat)
	case "heartbeat_within":
		return decodeAnd(line, c.heartbeatWithin)
	case "status":
		return decodeAnd(line, c.status)
	default:
		return nil, fmt.Errorf("unknown command %q", command)
	}
}

func (c *controllableSystem) switchHeartbeat(command struct{ On bool }) (any, error) {
	if command.On {
		c.consumption.StartHeartbeat()
	} else {
		c.consumption.StopHeartbeat()
	}
	return nil, nil
}

// heartbeatWithin asks the stack whether the partner's latest heartbeat is younger than that; its use case asks the
// same with two minutes.
func (c *controllableSystem) heartbeatWithin(command struct {
	target
	Seconds float64 `json:"seconds"`
}) (any, error) {
	remote := c.peer.device.RemoteDeviceForSki(command.SKI)
	if remote == nil {
		return nil, errors.New("this partner is not connected")
	}
	for _, entity := range remote.Entities() {
		if diagnosis, err := client.NewDeviceDiagnosis(c.entity, entity); err == nil {
			return diagnosis.IsHeartbeatWithinDuration(seconds(command.Seconds)), nil
		}
	}
	return nil, errors.New("this partner has no heartbeat")
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
	failsafeConsumption, _, err := c.consumption.FailsafeConsumptionActivePowerLimit()
	if err != nil {
		return nil, err
	}
	failsafeProduction, _, err := c.production.FailsafeProductionActivePowerLimit()
	if err != nil {
		return nil, err
	}
	failsafeDuration, _, err := c.consumption.FailsafeDurationMinimum()
	if err != nil {
		return nil, err
	}
	partners := []string{}
	for _, device := range c.peer.device.RemoteDevices() {
		partners = append(partners, device.Ski())
	}
	return fields{
		"consumption": limitView(consumption),
		"production":  limitView(production),
		"failsafe": fields{
			"consumption_w": failsafeConsumption, "production_w": failsafeProduction,
			"duration_s": failsafeDuration.Seconds(),
		},
		"heartbeat_recent": c.consumption.IsHeartbeatWithinDuration(),
		"partners":         partners,
	}, nil
}

func limitView(limit ucapi.LoadLimit) fields {
	return fields{
		"value_w": limit.Value, "active": limit.IsActive, "changeable": limit.IsChangeable,
		"duration_s": limit.Duration.Seconds(),
	}
}
