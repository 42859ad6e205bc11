/** Why the button beside it cannot be pressed, for all to see; screen readers have it with the button. */
export function Wanted({ children }: { children: string }) {
  return children ? <span aria-hidden className="self-center text-xs text-faint">{children}</span> : null;
}
