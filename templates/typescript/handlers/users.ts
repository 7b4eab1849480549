import type { Request } from 'actix-js';

interface User {
  id: string;
  name: string;
}

const users = new Map<string, User>([['1', { id: '1', name: 'Ada' }]]);

class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function GET(req: Request): User {
  const user = users.get(req.params.id);
  if (user === undefined) throw new HttpError(404, 'no such user');
  return user;
}

export async function PUT(req: Request): Promise<User> {
  const body: unknown = await req.json();
  if (!isNamed(body)) throw new HttpError(422, 'name must be a string');
  const user = { id: req.params.id, name: body.name };
  users.set(user.id, user);
  req.setStatusCode(201);
  return user;
}

function isNamed(value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';
}
