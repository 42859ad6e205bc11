import { Drawer } from "../kit/Dialog";
import { Nav } from "./Nav";

/** The navigation on a phone. */
export function NavDrawer({ waiting, onClose }: { waiting: number; onClose: () => void }) {
  return <Drawer open onClose={onClose} title="Runsheet"><Nav waiting={waiting} onDone={onClose} /></Drawer>;
}
